// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

const scratchName = ".igniter-plan-"

// PlanRepair reports what [Open] with Options.Repair would do to a log, and changes nothing. It does the same work, but
// keeps all changes in a temporary directory, in os.TempDir or otherwise beside the log. The directory may take as much
// room as the log's last segment and its damaged files. Like Open, PlanRepair locks the log.
func PlanRepair(ctx context.Context, path string) (report RecoveryReport, err error) {
	defer wrap(&err, "plan the repair of log %s", path)
	if _, err := os.Stat(path); err != nil {
		return report, err
	}
	scratch, err := os.MkdirTemp("", scratchName)
	if err != nil { // none exists, for example in a minimal container image
		if scratch, err = os.MkdirTemp(filepath.Dir(filepath.Clean(path)), scratchName); err != nil {
			return report, fmt.Errorf("no place for the plan: set TMPDIR to a directory with room for it: %w", err)
		}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	l, err := open(ctx, Options{Path: path, Repair: true, fs: vfs.NewOverlay(scratch)})
	if err != nil {
		return report, err
	}
	return l.Report(), l.Close()
}
