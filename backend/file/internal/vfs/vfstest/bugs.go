// SPDX-License-Identifier: Apache-2.0

package vfstest

import (
	"path"
	"strings"
	"sync"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// A bug is a file system that breaks a promise: its functions replace methods if they are set.
type bug struct {
	vfs.FS
	sync     func(name string, f vfs.File) error
	truncate func(name string, f vfs.File, size int64) error
	skips    func(last string) bool // reports whether SyncDir does nothing, given the last change of the directory

	mu   sync.Mutex
	last map[string]string // by directory: mkdir, create, rename, remove, or install for a renamed .tmp
}

type buggyFile struct {
	vfs.File
	b    *bug
	name string
}

func (f buggyFile) Sync() error {
	if f.b.sync == nil {
		return f.File.Sync()
	}
	return f.b.sync(f.name, f.File)
}

func (f buggyFile) Truncate(size int64) error {
	if f.b.truncate == nil {
		return f.File.Truncate(size)
	}
	return f.b.truncate(f.name, f.File, size)
}

func (b *bug) open(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return buggyFile{f, b, name}, nil
}

// did records the last change of a directory.
func (b *bug) did(op, name string, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = map[string]string{}
	}
	if err == nil {
		b.last[path.Dir(clean(name))] = op
	}
	return err
}

func (b *bug) Open(name string) (vfs.File, error) {
	f, err := b.FS.Open(name)
	return b.open(name, f, err)
}

func (b *bug) Edit(name string) (vfs.File, error) {
	f, err := b.FS.Edit(name)
	return b.open(name, f, err)
}

func (b *bug) Create(name string) (vfs.File, error) {
	f, err := b.FS.Create(name)
	return b.open(name, f, b.did("create", name, err))
}

func (b *bug) Mkdir(name string) error { return b.did("mkdir", name, b.FS.Mkdir(name)) }

func (b *bug) Remove(name string) error { return b.did("remove", name, b.FS.Remove(name)) }

func (b *bug) Rename(from, to string) error {
	op := "rename"
	if strings.HasSuffix(from, ".tmp") {
		op = "install"
	}
	return b.did(op, to, b.FS.Rename(from, to))
}

func (b *bug) SyncDir(name string) error {
	b.mu.Lock()
	skip := b.skips != nil && b.skips(b.last[clean(name)])
	b.mu.Unlock()
	if skip {
		return nil
	}
	return b.FS.SyncDir(name)
}

// NoSync never syncs a file. It breaks the promise that acknowledged facts survive a power cut.
func NoSync(under vfs.FS) vfs.FS {
	return &bug{FS: under, sync: func(string, vfs.File) error { return nil }}
}

// NoDirSyncAfterCreate does not sync the names of new files. It breaks the promise that a file with
// acknowledged facts still has its name after a power cut.
func NoDirSyncAfterCreate(under vfs.FS) vfs.FS {
	return &bug{FS: under, skips: func(last string) bool { return last == "create" || last == "mkdir" }}
}

// NoDirSyncAfterRename does not sync renames. It breaks the promise that a file which replaced another
// still does so after a power cut.
func NoDirSyncAfterRename(under vfs.FS) vfs.FS {
	return &bug{FS: under, skips: func(last string) bool { return last == "rename" || last == "install" }}
}

// LateSync makes durable, with each Sync, only the changes before the previous Sync. It breaks the promise that nothing is
// acknowledged before it is durable. It works only directly on a Disk.
func LateSync(under vfs.FS) vfs.FS {
	return &bug{FS: under, sync: func(_ string, f vfs.File) error { return f.(*diskFile).sync(true) }}
}

// NoCut does not truncate. It breaks the promise that bytes cut off a file are gone.
func NoCut(under vfs.FS) vfs.FS {
	return &bug{FS: under, truncate: func(string, vfs.File, int64) error { return nil }}
}

// CutNotSynced skips the Sync after a truncation. It breaks the promise that bytes cut off a file do not
// come back after a power cut.
func CutNotSynced(under vfs.FS) vfs.FS {
	var cut sync.Map // by name
	return &bug{FS: under,
		truncate: func(name string, f vfs.File, size int64) error {
			cut.Store(name, true)
			return f.Truncate(size)
		},
		sync: func(name string, f vfs.File) error {
			if _, skip := cut.LoadAndDelete(name); skip {
				return nil
			}
			return f.Sync()
		},
	}
}

// RenameBeforeSync does not sync a file before it is renamed. It breaks the promise that a file is whole
// before it replaces another.
func RenameBeforeSync(under vfs.FS) vfs.FS {
	return &bug{FS: under,
		skips: func(last string) bool { return last == "install" },
		sync: func(name string, f vfs.File) error {
			if strings.HasSuffix(name, ".tmp") {
				return nil
			}
			return f.Sync()
		},
	}
}

// RetrySync tries a failed Sync again, which then returns nil without having done anything. It breaks
// the promise that facts whose Sync failed are not acknowledged.
func RetrySync(under vfs.FS) vfs.FS {
	return &bug{FS: under, sync: func(_ string, f vfs.File) error {
		if f.Sync() == nil {
			return nil
		}
		return f.Sync()
	}}
}
