// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
	"time"
)

// Passes reports whether an error is temporary: an operation was not tried for lack of descriptors or memory, or was
// interrupted. A Sync with such an error may have been tried; the data must be written again before the next Sync.
func Passes(err error) bool {
	for _, code := range passing {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

var passing = slices.Concat([]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR}, passingHere)

// A patient file system retries operations that fail with a temporary error.
type patient struct {
	FS
	sleep func(time.Duration)
}

// Patient returns a file system that retries each operation of fs that fails with a temporary error for half a second, and
// SyncDir for eight seconds. It does not retry Sync of a file.
func Patient(fs FS) FS { return patient{fs, time.Sleep} }

const (
	patience        = 512 * time.Millisecond
	patienceSyncDir = 8 * time.Second // longer: a file already has its name, and a failure would leave open whether it keeps it
)

// try repeats do while its error is temporary, for no longer than most.
func (p patient) try(most time.Duration, do func() error) error {
	err := do()
	for pause := time.Millisecond; pause < most && Passes(err); pause *= 2 {
		p.sleep(pause)
		err = do()
	}
	return err
}

// result is try for a function with a result.
func result[T any](p patient, do func() (T, error)) (x T, err error) {
	err = p.try(patience, func() (err error) { x, err = do(); return err })
	return x, err
}

func (p patient) file(open func() (File, error)) (File, error) {
	f, err := result(p, open)
	if err != nil {
		return nil, err
	}
	return patientFile{f, p}, nil
}

func (p patient) Open(name string) (File, error) {
	return p.file(func() (File, error) { return p.FS.Open(name) })
}

func (p patient) Edit(name string) (File, error) {
	return p.file(func() (File, error) { return p.FS.Edit(name) })
}

func (p patient) Create(name string) (File, error) {
	return p.file(func() (File, error) { return p.FS.Create(name) })
}

func (p patient) Stat(name string) (fs.FileInfo, error) {
	return result(p, func() (fs.FileInfo, error) { return p.FS.Stat(name) })
}

func (p patient) ReadDir(name string) ([]fs.DirEntry, error) {
	return result(p, func() ([]fs.DirEntry, error) { return p.FS.ReadDir(name) })
}

func (p patient) Lock(name string) (Lock, error) {
	return result(p, func() (Lock, error) { return p.FS.Lock(name) })
}

func (p patient) LockRead(name string) (Lock, error) {
	return result(p, func() (Lock, error) { return p.FS.LockRead(name) })
}

func (p patient) Mkdir(name string) error {
	return p.try(patience, func() error { return p.FS.Mkdir(name) })
}

func (p patient) Rename(from, to string) error {
	return p.try(patience, func() error { return p.FS.Rename(from, to) })
}

func (p patient) Remove(name string) error {
	return p.try(patience, func() error { return p.FS.Remove(name) })
}

func (p patient) SyncDir(name string) error {
	return p.try(patienceSyncDir, func() error { return p.FS.SyncDir(name) })
}

// A patientFile is an open file of a patient file system.
type patientFile struct {
	File
	p patient
}

func (f patientFile) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(b, at)
	if Passes(err) {
		n, err = result(f.p, func() (int, error) { return f.File.ReadAt(b, at) })
	}
	return n, err
}

func (f patientFile) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b, at)
	if Passes(err) {
		n, err = result(f.p, func() (int, error) { return f.File.WriteAt(b, at) })
	}
	return n, err
}

func (f patientFile) Size() (int64, error) { return result(f.p, f.File.Size) }

func (f patientFile) Truncate(size int64) error {
	return f.p.try(patience, func() error { return f.File.Truncate(size) })
}
