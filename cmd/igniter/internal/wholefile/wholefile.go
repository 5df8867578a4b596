// Package wholefile writes files that are there whole or not at all, as far as the path allows that.
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

// maxLinks is how many symbolic links to files that are missing Write follows.
const maxLinks = 40

// Write creates or replaces a file, durably. write writes to a file of another name, PATH.*.tmp, which gets the name path
// once write has returned nil. After an error the file is as it was. A new file has the mode (before the umask); one that
// exists keeps its mode and its owner.
//
// A symbolic link stays, and the file that it names is written. What is no regular file, such as a pipe or
// a device, is written to directly. So is a file that cannot be replaced, since it is mounted or another user's, for
// instance: write writes to a temporary file then, which is copied.
func Write(path string, mode os.FileMode, write func(f *os.File) error) error {
	before, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !before.Mode().IsRegular() || strings.HasPrefix(path, "/dev/"): // /dev/stdout may be a file
		return inPlace(path, os.O_WRONLY, write)
	}
	if path, err = target(path); err != nil {
		return err
	}
	err = replace(path, path+"."+rand.Text()+TempExt, mode, before, write)
	if before == nil || !cannotReplace(err) {
		return err
	}
	f, err := os.CreateTemp("", "*"+TempExt)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return inPlace(path, os.O_WRONLY|os.O_TRUNC, func(to *os.File) error {
		if _, err := io.Copy(to, f); err != nil {
			return err
		}
		return to.Sync()
	})
}

// target follows symbolic links, also to a file that is missing.
func target(path string) (string, error) {
	for range maxLinks {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, nil // what is wrong with path is told by its use
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

// A replaceError is why a file that was written could not be made, or could not get its name.
type replaceError struct{ error }

func (e replaceError) Unwrap() error { return e.error }

// cannotReplace reports whether a file could not be replaced, though it may be one that can be written to.
func cannotReplace(err error) bool {
	var e replaceError
	return errors.As(err, &e) && (errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS))
}

func replace(path, temporary string, mode os.FileMode, before fs.FileInfo, write func(f *os.File) error) error {
	f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return replaceError{err}
	}
	if before != nil {
		if err = errors.Join(chownLike(f, before), f.Chmod(before.Mode().Perm())); err != nil {
			err = replaceError{err}
		}
	}
	if err == nil {
		err = write(f)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		if err = os.Rename(temporary, path); err != nil {
			err = replaceError{err}
		}
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDir(filepath.Dir(path))
}

func inPlace(path string, flag int, write func(f *os.File) error) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// syncDir makes the names in a directory durable, where the file system can (CIFS and some of FUSE cannot).
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

// Durable returns an error if the file system of a directory cannot make names durable: then a crash of the machine may take
// back what Write did there.
func Durable(dir string) error {
	d, err := os.Open(dir)
	if err != nil || runtime.GOOS == "windows" {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
