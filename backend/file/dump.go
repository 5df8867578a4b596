// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"io"
	"strings"

	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// Dump writes to w what a file holds: a segment file, a snapshot, an index (its name ends in ".idx"), or a
// piece of a backup. Each frame, also in compressed blocks, becomes a line of JSON with its offset, and so does
// each damaged place. Dump goes on after damage. It returns how many places are damaged. It needs no lock:
// while a log is open, the end of its active segment may seem damaged.
func Dump(ctx context.Context, w io.Writer, path string) (damaged int, err error) {
	defer wrap(&err, "dump %s", path)
	f, err := vfs.OS{}.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	bodies := format.LogBodies
	if strings.HasSuffix(path, indexExt) {
		bodies = format.IndexBodies
	}
	return format.Dump(ctx, w, f, size, bodies)
}
