package vfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// noFollow opens a link itself, which is no regular file then.
const noFollow = syscall.FILE_FLAG_OPEN_REPARSE_POINT

// open opens a file as os.Root does, so that it can be renamed and removed meanwhile (FILE_SHARE_DELETE); os.OpenFile
// does not allow that.
func open(name string, flag int) (*os.File, error) {
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	f, err := dir.OpenFile(filepath.Base(name), flag|noFollow, 0o644)
	return f, errors.Join(err, dir.Close())
}

// rename renames as os.Root does: where the file system has POSIX semantics (NTFS since Windows 10 1709), the file that has
// the name to may be open.
func rename(from, to string) error {
	dir, err := os.OpenRoot(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer dir.Close()
	if to, err = filepath.Rel(filepath.Dir(from), to); err != nil {
		return err
	}
	return retry(func() error { return dir.Rename(filepath.Base(from), to) })
}

func remove(name string) error { return retry(func() error { return os.Remove(name) }) }

// retry waits up to two seconds for programs that look into new files, such as virus scanners.
func retry(do func() error) error {
	for pause := time.Millisecond; ; pause *= 2 {
		err := do()
		if !errors.Is(err, syscall.ERROR_ACCESS_DENIED) && !errors.Is(err, errSharing) {
			return err
		}
		if pause > time.Second {
			return fmt.Errorf("%w: %w", ErrInUse, err)
		}
		time.Sleep(pause)
	}
}

// errSharing is ERROR_SHARING_VIOLATION.
const errSharing syscall.Errno = 32

// syncDir does nothing. Windows has no call that makes the names in a directory durable.
func syncDir(*os.File) error { return nil }
