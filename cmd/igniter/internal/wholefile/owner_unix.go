//go:build unix

package wholefile

import (
	"io/fs"
	"os"
	"syscall"
)

// chownLike gives a file the owner and the group of another, so that the same users may read both.
func chownLike(f *os.File, other fs.FileInfo) error {
	have, err := f.Stat()
	if err != nil {
		return err
	}
	want, ok := other.Sys().(*syscall.Stat_t)
	is, ok2 := have.Sys().(*syscall.Stat_t)
	if !ok || !ok2 || want.Uid == is.Uid && want.Gid == is.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
