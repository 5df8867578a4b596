package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/gofrs/flock"
)

// OS is the operating system's file system. The zero OS can be used; one of [NewOS] keeps the directory of a lock open.
type OS struct{ kept *kept }

// NewOS returns an OS that keeps the directory of its latest lock open, so that SyncDir needs no new descriptor for it.
func NewOS() OS { return OS{&kept{}} }

// A kept is a directory that is kept open.
type kept struct {
	mu   sync.Mutex
	name string
	dir  *os.File // nil: none is
}

func (OS) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (OS) Rename(from, to string) error               { return rename(from, to) }
func (OS) Remove(name string) error                   { return remove(name) }
func (OS) Open(name string) (File, error)             { return openFile(name, os.O_RDONLY) }
func (OS) Edit(name string) (File, error)             { return openFile(name, os.O_RDWR) }
func (OS) Create(name string) (File, error) {
	if err := remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // what it was may be a link, or open elsewhere
	}
	return openFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

// openFile opens a regular file, and follows no link: whoever may write to a log's directory must not choose another file for
// a process with more rights.
func openFile(name string, flag int) (File, error) {
	f, err := open(name, flag)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is not a regular file", name), err, f.Close())
	}
	if flag&os.O_CREATE != 0 {
		if err := giveAway(name, f.Chown); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return osFile{f}, nil
}

// Mkdir makes a directory. A directory or file that root makes gets the owner of the directory that it is in, so that
// the owner can go on with it.
func (OS) Mkdir(name string) error {
	if err := os.Mkdir(name, 0o755); err != nil {
		return err
	}
	return giveAway(name, func(uid, gid int) error { return os.Lchown(name, uid, gid) })
}

// SyncDir makes names durable. Windows cannot do that.
//
//	open(dir, O_RDONLY)
//	fsync(dir)
//	close(dir)
func (o OS) SyncDir(name string) error {
	if o.kept != nil {
		o.kept.mu.Lock()
		defer o.kept.mu.Unlock()
		if o.kept.dir != nil && o.kept.name == name {
			return syncDir(o.kept.dir)
		}
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(d), d.Close())
}

// Lock uses flock(2) or LockFileEx, which end with the process, and writes the process's ID to the file, for the
// error of others. On Windows, nobody can read or write a locked file, so that it has no ID.
func (o OS) Lock(name string) (Lock, error) {
	l := flock.New(name, flock.SetPermissions(0o644), flock.SetFlag(os.O_CREATE|os.O_RDONLY|noFollow))
	ok, err := l.TryLock()
	if errors.Is(err, syscall.ENOLCK) || errors.Is(err, errors.ErrUnsupported) {
		return nil, fmt.Errorf("the file system of %s cannot lock files, so nothing would keep a second process out: use another file system: %w", name, err)
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		text, _ := os.ReadFile(name)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return nil, &LockedError{name, pid}
	}
	// The lock holds without the ID too.
	if f, err := openFile(name, os.O_WRONLY|os.O_TRUNC); err == nil {
		_, _ = fmt.Fprintln(f.(osFile), os.Getpid())
		_ = f.Close()
	}
	err = giveAway(name, func(uid, gid int) error { return os.Lchown(name, uid, gid) })
	info, statErr := l.Stat()
	if err = errors.Join(err, statErr); err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err == nil {
		err = o.kept.open(filepath.Dir(name))
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return osLock{l, info, o.kept}, nil
}

func (k *kept) open(name string) error {
	if k == nil {
		return nil
	}
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.name, k.dir = name, dir
	return nil
}

func (k *kept) close() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.dir.Close()
	k.dir = nil
	return err
}

type osLock struct {
	*flock.Flock
	info fs.FileInfo
	kept *kept
}

func (l osLock) Close() error { return errors.Join(l.kept.close(), l.Flock.Close()) }

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
