// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// An Overlay shows the operating system's files, and keeps all changes in a directory of its own. It renames only files.
type Overlay struct {
	OS
	scratch string

	mu    sync.Mutex
	paths map[string]string // of each changed name; "" if it was removed
	files int               // created in scratch
}

// NewOverlay returns an overlay that keeps changes in the directory scratch.
func NewOverlay(scratch string) *Overlay {
	return &Overlay{OS: NewOS(), scratch: scratch, paths: map[string]string{}}
}

// find returns the path of the file with a name.
func (o *Overlay) find(op, name string) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	path, changed := o.paths[name]
	switch {
	case !changed:
		return name, nil
	case path == "":
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return path, nil
}

func (o *Overlay) set(name, path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.paths[name] = path
}

// create gives name a new path in scratch.
func (o *Overlay) create(name string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files++
	o.paths[name] = filepath.Join(o.scratch, strconv.Itoa(o.files))
	return o.paths[name]
}

func (o *Overlay) Mkdir(name string) error {
	if _, err := o.Stat(name); err == nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	return o.OS.Mkdir(o.create(name))
}

func (o *Overlay) Stat(name string) (fs.FileInfo, error) {
	path, err := o.find("stat", name)
	if err != nil {
		return nil, err
	}
	return o.OS.Stat(path)
}

func (o *Overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	path, err := o.find("open", name)
	if err != nil {
		return nil, err
	}
	entries, err := o.OS.ReadDir(path)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		_, changed := o.paths[filepath.Join(name, e.Name())]
		return changed
	})
	for changed, path := range o.paths {
		if filepath.Dir(changed) != name || path == "" {
			continue
		}
		info, err := o.OS.Stat(path)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{fs.FileInfoToDirEntry(info), filepath.Base(changed)})
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// An entry is a directory entry under another name.
type entry struct {
	fs.DirEntry
	name string
}

func (e entry) Name() string { return e.name }

func (o *Overlay) Open(name string) (File, error) {
	path, err := o.find("open", name)
	if err != nil {
		return nil, err
	}
	return o.OS.Open(path)
}

// Edit copies a file that is not in the overlay yet.
func (o *Overlay) Edit(name string) (File, error) {
	path, err := o.find("open", name)
	if err != nil {
		return nil, err
	}
	if filepath.Dir(path) == o.scratch {
		return o.OS.Edit(path)
	}
	from, err := o.OS.Open(path)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	to, err := o.Create(name)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.NewOffsetWriter(to, 0), io.NewSectionReader(from, 0, 1<<62)); err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return to, nil
}

func (o *Overlay) Create(name string) (File, error) { return o.OS.Create(o.create(name)) }

func (o *Overlay) Rename(from, to string) error {
	path, err := o.find("rename", from)
	if err != nil {
		return err
	}
	o.set(to, path)
	o.set(from, "")
	return nil
}

func (o *Overlay) Remove(name string) error {
	if _, err := o.Stat(name); err != nil {
		return err
	}
	o.set(name, "")
	return nil
}

// SyncDir does nothing: no change needs to last.
func (o *Overlay) SyncDir(string) error { return nil }

// Lock writes nothing, since an overlay makes no change that others could see.
func (o *Overlay) Lock(name string) (Lock, error) { return o.LockRead(name) }
