// SPDX-License-Identifier: Apache-2.0

// Package vfstest has a disk in memory, for tests of packages that use package vfs. The disk fails on demand, tears writes
// and, after a simulated power cut, loses unsynced changes. The package also has file systems with seeded bugs, to test the
// tests.
package vfstest

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// ErrCrashed is the error of a disk, and of its open files, after a crash.
var ErrCrashed = errors.New("the disk has crashed")

const sectorSize = 512

// A Disk is a file system in memory that simulates power cuts: the contents of files survive as of their last Sync, names
// as of their directory's last SyncDir, and perhaps some later changes. All names start from the root: "." and "/" are the
// same directory.
//
// Operations that change or sync something are steps: they are counted from 1, recorded, and can be
// made to fail. Set the exported fields before the disk is used, and later only inside With.
type Disk struct {
	CrashAt   int    // the step at which the disk crashes, 0 for none; a write happens in part
	CrashSeed uint64 // chooses this part
	Capacity  int64  // the most bytes that all files with a name may take; 0 for no limit

	Fault     Hook // called for each step
	ReadFault Hook // called for every other operation except Close, with n = 0

	mu    sync.Mutex
	log   []string // the steps
	dead  bool
	root  *inode
	nodes uint64       // the number of inodes made
	names [][]renaming // changes that are not durable yet, in order; all of one list survive, or none
	locks map[string]bool
}

// A renaming gives a name in a directory to an inode, or removes the name if node is nil.
type renaming struct {
	dir  *inode
	name string
	node *inode
}

func (r renaming) apply(entries map[string]*inode) {
	if r.node == nil {
		delete(entries, r.name)
	} else {
		entries[r.name] = r.node
	}
}

// of returns the name, without the inode.
func (r renaming) of() renaming { return renaming{dir: r.dir, name: r.name} }

// New returns an empty disk.
func New() *Disk {
	d := &Disk{locks: map[string]bool{}}
	d.root = d.newDir()
	return d
}

func (d *Disk) newFile() *inode {
	d.nodes++
	return &inode{id: d.nodes}
}

func (d *Disk) newDir() *inode {
	dir := d.newFile()
	dir.entries, dir.durableEntries = map[string]*inode{}, map[string]*inode{}
	return dir
}

// With runs f with the disk locked, to set or read fields while others use the disk.
func (d *Disk) With(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// Steps returns the steps so far, such as "write /log/1.wal 0+512".
func (d *Disk) Steps() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.log)
}

// Crashed reports whether the disk has crashed.
func (d *Disk) Crashed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// Fill sets Capacity so that there is room for that many more bytes.
func (d *Disk) Fill(room int64) {
	d.With(func() { d.Capacity = d.root.used() + room })
}

// Files returns the contents of the files in a directory and below it, by their names relative to it. It does not count as
// a step, and works after a crash too.
func (d *Disk) Files(dir string) map[string][]byte {
	all := map[string][]byte{}
	var add func(prefix string, n *inode)
	add = func(prefix string, n *inode) {
		for name, child := range n.entries {
			if child.entries == nil {
				all[prefix+name] = bytes.Clone(child.data)
			}
			add(prefix+name+"/", child)
		}
	}
	d.With(func() {
		if n, err := d.find(dir); err == nil {
			add("", n)
		}
	})
	return all
}

// Overwrite replaces the content of a file, durably. It does not count as a step.
func (d *Disk) Overwrite(name string, content []byte) {
	d.With(func() {
		n, err := d.find(name)
		if err != nil {
			panic(err)
		}
		n.data, n.durable, n.changes = bytes.Clone(content), bytes.Clone(content), nil
	})
}

// Lose removes a file, durably. It does not count as a step.
func (d *Disk) Lose(name string) {
	d.With(func() {
		s, err := d.slot(name)
		if err != nil {
			panic(err)
		}
		s.of().apply(s.dir.entries)
		s.of().apply(s.dir.durableEntries)
	})
}

func clean(name string) string { return path.Clean("/" + filepath.ToSlash(name)) }

// find returns the inode with a name.
func (d *Disk) find(name string) (*inode, error) {
	node := d.root
	for part := range strings.FieldsFuncSeq(clean(name), func(r rune) bool { return r == '/' }) {
		if node.entries == nil {
			return nil, syscall.ENOTDIR
		}
		if node = node.entries[part]; node == nil {
			return nil, fs.ErrNotExist
		}
	}
	return node, nil
}

func (d *Disk) findDir(name string) (*inode, error) {
	node, err := d.find(name)
	if err == nil && node.entries == nil {
		return nil, syscall.ENOTDIR
	}
	return node, err
}

// slot returns the directory of a name, and the inode that has the name now, if there is one.
func (d *Disk) slot(name string) (renaming, error) {
	dir, base := path.Split(clean(name))
	if base == "" {
		return renaming{}, fs.ErrExist // the root
	}
	parent, err := d.findDir(dir)
	if err != nil {
		return renaming{}, err
	}
	return renaming{parent, base, parent.entries[base]}, nil
}

// rename changes names. The changes survive a power cut together or not at all.
func (d *Disk) rename(all ...renaming) {
	for _, r := range all {
		r.apply(r.dir.entries)
	}
	d.names = append(d.names, all)
}

func (d *Disk) Mkdir(name string) error {
	return d.run(op{name: "mkdir", file: name, do: func() error {
		s, err := d.slot(name)
		if err != nil || s.node != nil {
			return cmp.Or(err, fs.ErrExist)
		}
		s.node = d.newDir()
		d.rename(s)
		return nil
	}})
}

// Rename renames files only.
func (d *Disk) Rename(from, to string) error {
	return d.run(op{name: "rename", file: from, args: clean(to), do: func() error {
		old, err := d.slot(from)
		if err != nil || old.node == nil {
			return cmp.Or(err, fs.ErrNotExist)
		}
		target, err := d.slot(to)
		switch {
		case err != nil:
			return err
		case old.node.entries != nil, target.node != nil && target.node.entries != nil:
			return syscall.EISDIR
		case target.node != old.node:
			d.rename(old.of(), renaming{target.dir, target.name, old.node})
		}
		return nil
	}})
}

func (d *Disk) Remove(name string) error {
	return d.run(op{name: "remove", file: name, do: func() error {
		s, err := d.slot(name)
		switch {
		case err != nil:
			return err
		case s.node == nil:
			return fs.ErrNotExist
		case len(s.node.entries) > 0:
			return syscall.ENOTEMPTY
		}
		d.rename(s.of())
		return nil
	}})
}

// SyncDir makes the directory's changes durable, and the changes on which they depend: earlier changes of the same names,
// in another directory if a file was moved between the two. A failed SyncDir changes nothing.
func (d *Disk) SyncDir(name string) error {
	return d.run(op{name: "syncdir", file: name, do: func() error {
		dir, err := d.findDir(name)
		if err != nil {
			return err
		}
		durable := make([]bool, len(d.names))
		needed := map[renaming]bool{}
		for i, all := range slices.Backward(d.names) {
			durable[i] = slices.ContainsFunc(all, func(r renaming) bool { return r.dir == dir || needed[r.of()] })
			for _, r := range all {
				needed[r.of()] = needed[r.of()] || durable[i]
			}
		}
		var rest [][]renaming
		for i, all := range d.names {
			if !durable[i] {
				rest = append(rest, all)
				continue
			}
			for _, r := range all {
				r.apply(r.dir.durableEntries)
			}
		}
		d.names = rest
		return nil
	}})
}

func (d *Disk) Stat(name string) (i fs.FileInfo, err error) {
	err = d.run(op{name: "stat", file: name, read: true, do: func() error {
		node, err := d.find(name)
		if err == nil {
			i = node.info(path.Base(clean(name)))
		}
		return err
	}})
	return i, err
}

func (d *Disk) ReadDir(name string) (all []fs.DirEntry, err error) {
	err = d.run(op{name: "readdir", file: name, read: true, do: func() error {
		dir, err := d.findDir(name)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(dir.entries)) {
			all = append(all, fs.FileInfoToDirEntry(dir.entries[name].info(name)))
		}
		return nil
	}})
	return all, err
}

func (d *Disk) Open(name string) (vfs.File, error) { return d.open("open", name) }
func (d *Disk) Edit(name string) (vfs.File, error) { return d.open("edit", name) }

// Create empties a file that exists.
func (d *Disk) Create(name string) (vfs.File, error) { return d.open("create", name) }

func (d *Disk) open(how, name string) (vfs.File, error) {
	h := &diskFile{d: d, name: name, writable: how != "open"}
	err := d.run(op{name: how, file: name, read: how != "create", do: func() error {
		s, err := d.slot(name)
		switch {
		case err != nil:
			return err
		case s.node == nil && how != "create":
			return fs.ErrNotExist
		case s.node == nil:
			s.node = d.newFile()
			d.rename(s)
		case s.node.entries != nil:
			return syscall.EISDIR
		case how == "create":
			s.node.change(change{truncate: true})
		}
		h.node, h.failures = s.node, s.node.failed.n
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Lock does not count as a step, though it may create a file.
func (d *Disk) Lock(name string) (vfs.Lock, error) {
	err := d.run(op{name: "lock", file: name, read: true, do: func() error {
		s, err := d.slot(name)
		switch {
		case err != nil:
			return err
		case d.locks[clean(name)]:
			return &vfs.LockedError{Path: name, Holder: vfs.Holder{PID: os.Getpid()}}
		case s.node == nil:
			s.node = d.newFile()
			d.rename(s)
		}
		d.locks[clean(name)] = true
		return nil
	}})
	if inUse, ok := errors.AsType[*vfs.LockedError](err); ok {
		return nil, inUse
	}
	if err != nil {
		return nil, err
	}
	return &lock{d: d, name: name}, nil
}

// LockRead locks like Lock.
func (d *Disk) LockRead(name string) (vfs.Lock, error) { return d.Lock(name) }

type lock struct {
	d      *Disk
	name   string
	closed bool
}

// Held returns nil, since tests do not remove the file.
func (l *lock) Held() error { return nil }

func (l *lock) Close() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	switch {
	case l.d.dead:
		return ErrCrashed
	case l.closed:
		return fs.ErrClosed
	}
	l.closed = true
	delete(l.d.locks, clean(l.name))
	return nil
}
