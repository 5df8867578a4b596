// SPDX-License-Identifier: Apache-2.0

// Package wholefile writes files atomically, if the path allows that, and gives files that root makes to the owner of
// their directory.
package wholefile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// TempExt ends the names of unfinished files, which a crash can leave behind.
const TempExt = ".tmp"

// Write creates or replaces a file, durably. write writes to a file of another name, PATH.*.tmp, which gets the name path
// once write has returned nil. After an error the file is as it was. A new file has the mode (before the umask) and, if root
// makes it, the owner of its directory; one that exists keeps its mode and its owner.
//
// A symbolic link stays, and its target is written. A path that is not a regular file, such as a pipe or a device, is
// written to directly, and so is the process's own output, such as /dev/stdout. If a file can't be replaced, for
// instance because it is mounted or belongs to another user, Write copies the temporary file over it. The temporary
// file is in os.TempDir if it can't be beside the file.
func Write(path string, mode os.FileMode, write func(f *os.File) error) error {
	before, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, own := range []*os.File{os.Stdout, os.Stderr} {
		if info, err := own.Stat(); err == nil && before != nil && os.SameFile(before, info) {
			return write(own)
		}
	}
	if before != nil && (!before.Mode().IsRegular() || strings.HasPrefix(path, "/dev/fd/")) { // /dev/fd/3 may be a file
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if path, err = Target(path); err != nil {
		return err
	}
	f, err := beside(path, mode, before)
	replaces := err == nil
	if before != nil && cannotReplace(err) {
		if f, err = os.CreateTemp("", "*"+TempExt); err != nil {
			err = fmt.Errorf("%w; set TMPDIR to a directory with room for what is written to %s", err, path)
		}
	}
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // unless it was renamed
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if replaces {
		if err = os.Rename(f.Name(), path); err == nil {
			return syncDir(filepath.Dir(path))
		} else if before == nil || !cannotReplace(err) {
			return err
		}
	}
	return overwrite(path, f.Name())
}

// beside creates an empty file beside path, which may replace the file that is there.
func beside(path string, mode os.FileMode, before fs.FileInfo) (*os.File, error) {
	f, err := os.OpenFile(path+"."+rand.Text()+TempExt, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	if before == nil {
		err = giveAway(f)
	} else {
		err = errors.Join(chownLike(f, before), f.Chmod(before.Mode().Perm()))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

// cannotReplace reports whether a file could not be replaced but may still be writable.
func cannotReplace(err error) bool {
	return errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// overwrite replaces the contents of a file with the contents of another.
func overwrite(path, other string) error {
	from, err := os.Open(other)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	if _, err = io.Copy(to, from); err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// maxLinks is how many symbolic links Target follows.
const maxLinks = 40

// Target follows the symbolic links that path names. The file at the end may be missing.
func Target(path string) (string, error) {
	for range maxLinks {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, nil // if path is bad, its use returns an error
		}
		next, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	return "", fmt.Errorf("%s: too many symbolic links", path)
}

// MkdirAll is [os.MkdirAll], except that directories that root makes get the owner of the directory that they are in.
func MkdirAll(path string, mode os.FileMode) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(path, mode)
	}
	if err := MkdirAll(filepath.Dir(path), mode); err != nil {
		return err
	}
	if err := os.Mkdir(path, mode); err != nil {
		if errors.Is(err, fs.ErrExist) { // a link to nowhere is not a directory, and one made meanwhile is
			return os.MkdirAll(path, mode)
		}
		return err
	}
	d, err := openDir(path)
	if err != nil {
		return err
	}
	return errors.Join(giveAway(d), d.Close())
}

// Touch creates an empty file unless there is a file of that name. If root makes it, it gets the owner of its directory.
func Touch(path string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(giveAway(f), f.Close())
}

// syncDir makes the names in a directory durable, if the file system can do so (CIFS and some FUSE file systems can't).
func syncDir(path string) error {
	if runtime.GOOS == "windows" { // which can't, and needs not
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	if err = d.Sync(); errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Durable returns an error if the file system of a directory can't make names durable: then a crash of the machine may
// undo a Write there.
func Durable(dir string) error {
	d, err := os.Open(dir)
	if err != nil || runtime.GOOS == "windows" {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
