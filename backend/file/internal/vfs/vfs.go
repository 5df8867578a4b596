// SPDX-License-Identifier: Apache-2.0

// Package vfs is the file system below a log: an interface as small as a log needs it, the operating
// system's files, and an overlay that keeps all changes to itself. Package vfstest has a disk in memory that fails, tears
// writes and loses unsynced changes.
package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// FS is a file system. Names are paths as in package os, and so are errors: errors.Is(err,
// fs.ErrNotExist) and the like hold.
type FS interface {
	Mkdir(name string) error // fs.ErrExist if name exists
	Stat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error) // sorted by name

	Open(name string) (File, error)   // opens an existing file for reading
	Edit(name string) (File, error)   // opens an existing file for reading and writing
	Create(name string) (File, error) // makes a file, replacing any file of that name, and opens it for reading and writing

	// Rename renames a file, and replaces the file that has the new name. Open files stay open: a file without a name can
	// still be read. Windows can refuse Rename and Remove for open files: then the error is ErrInUse, and nothing has
	// changed.
	Rename(from, to string) error
	Remove(name string) error // see Rename for open files

	// SyncDir makes the names in a directory durable: everything that was created, renamed and removed before.
	SyncDir(name string) error

	// Lock locks a file for this process, until the returned Lock is closed, and creates the file if
	// necessary. If the file is already locked, the error is a *LockedError. LockRead locks an existing file only against
	// Lock, and changes nothing; if there is no file, it locks nothing.
	Lock(name string) (Lock, error)
	LockRead(name string) (Lock, error)
}

// A Lock is a locked file.
type Lock interface {
	io.Closer

	// Held returns an error if the file or its directory was removed or replaced, so that another process can lock another
	// file of that name. If that cannot be found out, the error is nil.
	Held() error
}

// A File is an open file. ReadAt and WriteAt may be called concurrently with every method but Close.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error // makes earlier writes and truncations durable, but not the file's name
}

// ErrInUse reports that Windows refused to rename or remove a file, mostly because it is open.
var ErrInUse = errors.New("the file is in use, perhaps by another program")

// ErrShort reports that a file took only a part of a write and gave no reason. A full disk may do so.
var ErrShort = errors.New("the file took only a part of the write")

// WriteAll writes all of b at an offset.
func WriteAll(f io.WriterAt, b []byte, at int64) error {
	n, err := f.WriteAt(b, at)
	if err == nil && n < len(b) {
		err = ErrShort
	}
	return err
}

// ReadFull reads len(b) bytes from an offset.
func ReadFull(f io.ReaderAt, b []byte, at int64) error {
	if n, err := f.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}
