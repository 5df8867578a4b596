package file

import (
	"context"
	"errors"
	"os"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// PlanRepair reports what [Open] with Options.Repair would do to a log, and changes nothing: it does the same,
// but keeps all changes in a temporary directory (os.TempDir), which may take as much room as the log's last
// segment and its damaged files. Like Open, it needs the log for itself.
func PlanRepair(ctx context.Context, path string) (report RecoveryReport, err error) {
	defer wrap(&err, "plan the repair of log %s", path)
	if _, err := os.Stat(path); err != nil {
		return report, err
	}
	scratch, err := os.MkdirTemp("", "igniter-plan-")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	l, err := open(ctx, Options{Path: path, Repair: true, fs: vfs.NewOverlay(scratch)})
	if err != nil {
		return report, err
	}
	return l.Report(), l.Close()
}
