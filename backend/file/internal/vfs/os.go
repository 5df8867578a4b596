// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Modes of directories and files, whatever the umask: a log is for the user that runs it, and nobody else.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// OS is the operating system's file system. The zero OS is valid. An OS from [NewOS] keeps the directory of its lock open
// until the lock is closed, and accesses everything in that directory through it, even if the path leads elsewhere by then.
type OS struct{ kept *kept }

// NewOS returns an OS that keeps the directory of its latest lock open.
func NewOS() OS { return OS{&kept{}} }

// A kept is a directory that is kept open.
type kept struct {
	mu   sync.RWMutex
	path string
	root *os.Root // nil: no directory is kept
	dir  *os.File // the same directory, to sync it without a new descriptor
}

// below returns the kept directory, and a name's path below it; nil if the name is not below it.
func (o OS) below(name string) (*os.Root, string) {
	if o.kept == nil {
		return nil, ""
	}
	o.kept.mu.RLock()
	defer o.kept.mu.RUnlock()
	if o.kept.root == nil {
		return nil, ""
	}
	rel, err := filepath.Rel(o.kept.path, name)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, ""
	}
	return o.kept.root, rel
}

// in calls do with an open directory, and a name's path below it.
func (o OS) in(name string, do func(root *os.Root, rel string) error) error {
	if root, rel := o.below(name); root != nil {
		return do(root, rel)
	}
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(do(root, filepath.Base(name)), root.Close())
}

// Stat does not follow a link below the kept directory.
func (o OS) Stat(name string) (fs.FileInfo, error) {
	if root, rel := o.below(name); root != nil {
		return root.Lstat(rel)
	}
	return os.Stat(name)
}

func (o OS) ReadDir(name string) ([]fs.DirEntry, error) {
	if root, rel := o.below(name); root != nil {
		return fs.ReadDir(root.FS(), filepath.ToSlash(rel))
	}
	return os.ReadDir(name)
}

func (o OS) Open(name string) (File, error) { return o.open(name, os.O_RDONLY) }
func (o OS) Edit(name string) (File, error) { return o.open(name, os.O_RDWR) }

// Create first removes any file of that name, which may be a link, or open elsewhere.
func (o OS) Create(name string) (File, error) {
	if err := o.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return o.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

// open opens a regular file, and follows no link: a user who may write to a log's directory must not be able to redirect a
// process with more rights to another file.
func (o OS) open(name string, flag int) (opened File, err error) {
	err = o.in(name, func(root *os.Root, rel string) error {
		var before fs.FileInfo // os.Root follows links that stay below it, except when it creates a file
		if flag&os.O_CREATE == 0 {
			var err error
			if before, err = root.Lstat(rel); err != nil {
				return err
			} else if !before.Mode().IsRegular() {
				return notRegular(name)
			}
		}
		f, err := root.OpenFile(rel, flag|nonBlock, fileMode)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		switch {
		case err != nil:
		case before == nil:
			if info.Mode().Perm() != fileMode {
				err = passOver(f.Chmod(fileMode))
			}
			if err == nil {
				err = giveAway(func() (fs.FileInfo, error) { return root.Stat(filepath.Dir(rel)) }, f.Chown)
			}
		case !os.SameFile(before, info):
			err = fmt.Errorf("%s became another file while it was opened", name)
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
		opened = osFile{f}
		return nil
	})
	return opened, err
}

func notRegular(name string) error {
	return fmt.Errorf("%s is a link or a device, and not a regular file", name)
}

func (o OS) Rename(from, to string) error {
	return o.in(from, func(root *os.Root, rel string) error {
		to, err := filepath.Rel(strings.TrimSuffix(from, rel), to)
		if err != nil {
			return err
		}
		return retry(func() error { return root.Rename(rel, to) })
	})
}

func (o OS) Remove(name string) error {
	return o.in(name, func(root *os.Root, rel string) error {
		return retry(func() error { return root.Remove(rel) })
	})
}

// Mkdir makes a directory. A directory or file that root makes gets the owner of its parent directory, so that this owner
// can use it.
func (o OS) Mkdir(name string) error {
	return o.in(name, func(root *os.Root, rel string) error {
		if err := root.Mkdir(rel, dirMode); err != nil {
			return err
		}
		info, err := root.Lstat(rel)
		if err == nil && info.Mode().Perm() != dirMode {
			err = passOver(root.Chmod(rel, dirMode|info.Mode()&fs.ModeSetgid))
		}
		if err != nil {
			return err
		}
		return giveAway(func() (fs.FileInfo, error) { return root.Stat(filepath.Dir(rel)) }, func(uid, gid int) error { return root.Lchown(rel, uid, gid) })
	})
}

// passOver returns nil for an error that says that a process may not change modes and owners, as on network file systems
// and in containers.
func passOver(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

// SyncDir makes names durable. Windows cannot do that.
//
//	fsync(dir)      of the kept directory, or of one that is opened and closed
func (o OS) SyncDir(name string) error {
	root, rel := o.below(name)
	if root != nil && rel == "." {
		o.kept.mu.RLock()
		defer o.kept.mu.RUnlock()
		if o.kept.dir == nil {
			return fs.ErrClosed
		}
		return syncDir(o.kept.dir)
	}
	var d *os.File
	var err error
	if root != nil {
		d, err = root.Open(rel)
	} else {
		d, err = os.Open(name)
	}
	if err != nil {
		return err
	}
	return errors.Join(syncDir(d), d.Close())
}

// open opens a directory, and keeps it open until close.
func (k *kept) open(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	dir, err := root.Open(".")
	if err != nil {
		return errors.Join(err, root.Close())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.path, k.root, k.dir = path, root, dir
	return nil
}

func (k *kept) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := errors.Join(k.dir.Close(), k.root.Close())
	k.root, k.dir = nil, nil
	return err
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
