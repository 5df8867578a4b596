package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// osFS is the file system of the operating system.
type osFS struct{}

func (osFS) Mkdir(name string) error                    { return os.Mkdir(name, 0o755) }
func (osFS) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (osFS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (osFS) Rename(from, to string) error               { return os.Rename(from, to) }
func (osFS) Remove(name string) error                   { return os.Remove(name) }
func (osFS) Open(name string) (file, error)             { return openFile(name, os.O_RDONLY) }
func (osFS) Edit(name string) (file, error)             { return openFile(name, os.O_RDWR) }
func (osFS) Create(name string) (file, error) {
	return openFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func openFile(name string, flag int) (file, error) {
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// SyncDir makes names durable, which is not to be had on Windows: Open refuses it.
//
//	open(dir, O_RDONLY)
//	fsync(dir)
//	close(dir)
func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// An InUseError is a log that another process, or another Log of this one, has open.
type InUseError struct {
	Path string // of the lock
	PID  int    // of the process that holds it; 0: not known
}

func (e *InUseError) Error() string {
	holder := "another process"
	if e.PID != 0 {
		holder = fmt.Sprintf("process %d", e.PID)
		if e.PID == os.Getpid() {
			holder += " (this one)"
		}
	}
	return fmt.Sprintf("%s is locked by %s: a log is open in one place at a time; close it there, or share it through a server", e.Path, holder)
}

// Lock uses flock(2), which ends with the process, and leaves the process's ID in the file for
// those who find it locked.
func (osFS) Lock(name string) (io.Closer, error) {
	l := flock.New(name, flock.SetPermissions(0o644))
	ok, err := l.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		text, _ := os.ReadFile(name)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return nil, &InUseError{Path: name, PID: pid}
	}
	// Who can't learn the ID is still refused.
	_ = os.WriteFile(name, fmt.Appendln(nil, os.Getpid()), 0o644)
	return l, nil
}

// osFile is an os.File with Size, and a Sync that leaves out what reading back does not need.
type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
