// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// A LockedError reports that another process, or this one, holds a lock.
type LockedError struct {
	Path   string
	Holder // zero if unknown
	Shared bool
}

func (e *LockedError) Error() string { return fmt.Sprintf("%s is locked by process %d", e.Path, e.PID) }

// A Holder is a process. Each part may be unknown.
type Holder struct {
	PID   int
	Host  string
	Boot  string // see [Boot]
	Space string // the namespace of the process's ID, since containers have their own
}

func self() Holder {
	host, _ := os.Hostname()
	space, _ := os.Readlink("/proc/self/ns/pid")
	return Holder{os.Getpid(), host, Boot(), space}
}

// text returns the content of a lock file: a line for each part.
func (h Holder) text() string {
	return fmt.Sprintf("%d\n%s\n%s\n%s\n", h.PID, h.Host, h.Boot, h.Space)
}

// maxHolder limits the bytes that are read of a lock file, since anybody may have written it.
const maxHolder = 1 << 10

func parseHolder(text string) (h Holder) {
	lines := append(strings.Split(text, "\n"), "", "", "", "")
	h.PID, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	h.Host, h.Boot, h.Space = lines[1], lines[2], lines[3]
	return h
}

// Elsewhere names the other machine or container in which the process runs; "" if it runs in this one, or if that is not
// known.
func (h Holder) Elsewhere() string {
	switch here := self(); {
	case h.Host == "":
		return ""
	case h.Boot != here.Boot || h.Boot == "" && h.Host != here.Host:
		return fmt.Sprintf("host %q", h.Host)
	case h.Space != here.Space:
		return fmt.Sprintf("a container on this machine, host %q", h.Host)
	}
	return ""
}

// Lock uses flock(2) or LockFileEx, which end with the process, and writes the Holder to the file, for the errors of other
// processes. The OS must come from [NewOS]. On Windows, no process can read or write a locked file, so that it names no
// holder.
func (o OS) Lock(name string) (Lock, error) {
	if err := o.kept.open(filepath.Dir(name)); err != nil {
		return nil, err
	}
	l, err := o.lock(name)
	if err != nil {
		return nil, errors.Join(err, o.kept.close())
	}
	return l, nil
}

func (o OS) lock(name string) (Lock, error) {
	l := flock.New(name, flock.SetPermissions(fileMode), flock.SetFlag(os.O_CREATE|os.O_RDONLY|noFollow))
	ok, err := l.TryLock()
	if err == nil && !ok {
		return nil, o.locked(name)
	}
	info, err := o.isLocked(l, err)
	if err == nil && info.Mode().Perm()&fileMode != fileMode { // the umask
		err = o.in(name, func(root *os.Root, rel string) error { return passOver(root.Chmod(rel, fileMode)) })
	}
	if err == nil {
		// The lock is valid without the text, too.
		if f, err := o.open(name, os.O_RDWR); err == nil {
			if f.Truncate(0) == nil {
				_ = WriteAll(f, []byte(self().text()), 0)
			}
			_ = f.Close()
		}
		err = giveAway(func() (fs.FileInfo, error) { return o.Stat(filepath.Dir(name)) }, func(uid, gid int) error {
			return o.in(name, func(root *os.Root, rel string) error { return root.Lchown(rel, uid, gid) })
		})
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return osLock{l, info, o.kept}, nil
}

// isLocked checks that the locked file is a regular file of that name in the kept directory. failed is the error of
// locking.
func (o OS) isLocked(l *flock.Flock, failed error) (info fs.FileInfo, err error) {
	if errors.Is(failed, syscall.ENOLCK) || errors.Is(failed, errors.ErrUnsupported) {
		return nil, fmt.Errorf("the file system of %s cannot lock files, so nothing would keep a second process out: use another file system: %w", l.Path(), failed)
	}
	if failed != nil {
		return nil, failed
	}
	if info, err = l.Stat(); err != nil {
		return nil, err
	}
	now, err := o.Stat(l.Path())
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, notRegular(l.Path())
	case !os.SameFile(info, now):
		return nil, fmt.Errorf("%s became another file while it was opened", l.Path())
	}
	return info, nil
}

// locked returns the error for a locked file.
func (o OS) locked(name string) error {
	e := &LockedError{Path: name}
	l := flock.New(name, flock.SetFlag(os.O_RDONLY|noFollow))
	e.Shared, _ = l.TryRLock()
	_ = l.Close()
	if f, err := o.Open(name); err == nil && !e.Shared {
		text := make([]byte, maxHolder)
		n, _ := f.ReadAt(text, 0)
		e.Holder = parseHolder(string(text[:n]))
		_ = f.Close()
	}
	return e
}

// LockRead shares the lock with other readers, if the file exists, and writes nothing.
func (o OS) LockRead(name string) (Lock, error) {
	if err := o.kept.open(filepath.Dir(name)); err != nil {
		return nil, err
	}
	l := flock.New(name, flock.SetFlag(os.O_RDONLY|noFollow))
	ok, err := l.TryRLock()
	var info fs.FileInfo
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil // nobody has the directory open
	case err == nil && !ok:
		err = o.locked(name)
	default:
		info, err = o.isLocked(l, err)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), o.kept.close())
	}
	return osLock{l, info, o.kept}, nil
}

type osLock struct {
	*flock.Flock
	info fs.FileInfo // nil: there was no file
	kept *kept
}

func (l osLock) Close() error { return errors.Join(l.Flock.Close(), l.kept.close()) }

func (l osLock) Held() error {
	if l.info == nil {
		return nil
	}
	now, err := os.Lstat(l.Path())
	switch {
	case err == nil && !os.SameFile(l.info, now):
		return fmt.Errorf("%s is another file now", l.Path())
	case isGone(err):
		return err
	}
	return nil // other errors may be temporary, and say nothing about the file
}

// isGone reports whether an error of Lstat says that there is no file of that name.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ESTALE)
}
