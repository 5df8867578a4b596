// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"io"
	"strings"

	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// Dump writes the content of a file to w: of a segment file, a snapshot, an index (its name ends in ".idx"), or a piece of
// a backup. It writes a line of JSON, with the offset, for each frame, also for frames in compressed blocks, and for each
// damaged place. Dump goes on after damage, and returns the number of damaged places. It takes no lock: while a log is
// open, the end of its active segment may look damaged.
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
