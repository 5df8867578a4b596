// SPDX-License-Identifier: Apache-2.0

//go:build unix

package wholefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openDir opens a directory; path must not be a link.
func openDir(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
}

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

// giveAway gives a file that root has just made to the owner of its directory, unless the owner is root, too.
func giveAway(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	dir, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	if owner, ok := dir.Sys().(*syscall.Stat_t); !ok || owner.Uid == 0 {
		return nil
	}
	err = chownLike(f, dir)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil // network file systems and containers without CAP_CHOWN decide over owners themselves
	}
	return err
}

// Owner returns the owner of a file or, if the file is missing, the owner that it would get if root made it. ok is
// false if the owner is unknown.
func Owner(path string) (uid int, ok bool) {
	path, err := filepath.Abs(path)
	if err != nil {
		return 0, false
	}
	for {
		info, err := os.Stat(path)
		if err == nil {
			owner, ok := info.Sys().(*syscall.Stat_t)
			if !ok {
				return 0, false
			}
			return int(owner.Uid), true
		}
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return 0, false
		}
		path = filepath.Dir(path)
	}
}
