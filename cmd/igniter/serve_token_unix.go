//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// chownLike gives a file the owner and the group of another, so that those who may read the one may read the other.
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
