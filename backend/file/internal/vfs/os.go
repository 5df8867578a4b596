package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// OS is the operating system's file system.
type OS struct{}

func (OS) Mkdir(name string) error                    { return os.Mkdir(name, 0o755) }
func (OS) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (OS) Rename(from, to string) error               { return os.Rename(from, to) }
func (OS) Remove(name string) error                   { return os.Remove(name) }
func (OS) Open(name string) (File, error)             { return openFile(name, os.O_RDONLY) }
func (OS) Edit(name string) (File, error)             { return openFile(name, os.O_RDWR) }
func (OS) Create(name string) (File, error) {
	return openFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func openFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// SyncDir makes names durable. Windows cannot do that.
//
//	open(dir, O_RDONLY)
//	fsync(dir)
//	close(dir)
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock uses flock(2), which ends with the process, and writes the process's ID to the file, for the
// error of others.
func (OS) Lock(name string) (Lock, error) {
	l := flock.New(name, flock.SetPermissions(0o644))
	ok, err := l.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		text, _ := os.ReadFile(name)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return nil, &LockedError{name, pid}
	}
	// The lock holds without the ID too.
	_ = os.WriteFile(name, fmt.Appendln(nil, os.Getpid()), 0o644)
	info, err := l.Stat()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return osLock{l, info}, nil
}

type osLock struct {
	*flock.Flock
	info fs.FileInfo
}

func (l osLock) Held() error {
	now, err := os.Stat(l.Path())
	switch {
	case err == nil && !os.SameFile(l.info, now):
		return fmt.Errorf("%s is another file now", l.Path())
	case isGone(err):
		return err
	}
	return nil // other errors may pass, and say nothing about the file
}

// isGone reports whether an error of Stat says that there is no file of that name.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ESTALE)
}

// osFile is an *os.File. On Linux its Sync is fdatasync.
type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
