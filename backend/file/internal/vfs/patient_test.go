// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A tiredFS fails each operation a number of times.
type tiredFS struct {
	FS
	err   error
	times int // how often the next one fails
}

func (f *tiredFS) fails() error {
	if f.times == 0 {
		return nil
	}
	f.times--
	return f.err
}

func (f *tiredFS) Open(name string) (File, error) {
	if err := f.fails(); err != nil {
		return nil, err
	}
	file, err := f.FS.Open(name)
	return tiredFile{file, f}, err
}

func (f *tiredFS) Edit(name string) (File, error)   { return f.Open(name) }
func (f *tiredFS) Create(name string) (File, error) { return f.Open(name) }
func (f *tiredFS) Stat(name string) (fs.FileInfo, error) {
	return nil, f.fails()
}
func (f *tiredFS) ReadDir(string) ([]fs.DirEntry, error) { return nil, f.fails() }
func (f *tiredFS) Lock(string) (Lock, error)             { return nil, f.fails() }
func (f *tiredFS) LockRead(string) (Lock, error)         { return nil, f.fails() }
func (f *tiredFS) Mkdir(string) error                    { return f.fails() }
func (f *tiredFS) Rename(string, string) error           { return f.fails() }
func (f *tiredFS) Remove(string) error                   { return f.fails() }
func (f *tiredFS) SyncDir(string) error                  { return f.fails() }

type tiredFile struct {
	File
	fs *tiredFS
}

func (f tiredFile) ReadAt([]byte, int64) (int, error)  { return 0, f.fs.fails() }
func (f tiredFile) WriteAt([]byte, int64) (int, error) { return 0, f.fs.fails() }
func (f tiredFile) Size() (int64, error)               { return 0, f.fs.fails() }
func (f tiredFile) Truncate(int64) error               { return f.fs.fails() }
func (f tiredFile) Sync() error                        { return f.fs.fails() }

// TestPatient fails each operation a few times, and always. Patient retries temporary errors for a limited time; it retries
// no other error, and no Sync.
func TestPatient(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	tired := &tiredFS{FS: OS{}}
	slept := time.Duration(0)
	p := patient{tired, func(d time.Duration) { slept += d }}
	f, err := p.Open(name)
	require.NoError(t, err)
	defer f.Close()
	opened := func(open func(string) (File, error)) func() error {
		return func() error {
			f, err := open(name)
			if err == nil {
				err = f.Close()
			}
			return err
		}
	}
	last := func(_ any, err error) error { return err }
	for op, do := range map[string]func() error{
		"open": opened(p.Open), "edit": opened(p.Edit), "create": opened(p.Create),
		"stat":     func() error { return last(p.Stat(name)) },
		"readdir":  func() error { return last(p.ReadDir(name)) },
		"lock":     func() error { return last(p.Lock(name)) },
		"lockread": func() error { return last(p.LockRead(name)) },
		"mkdir":    func() error { return p.Mkdir(name) },
		"rename":   func() error { return p.Rename(name, name) },
		"remove":   func() error { return p.Remove(name) },
		"syncdir":  func() error { return p.SyncDir(name) },
		"read":     func() error { return last(f.ReadAt(nil, 0)) },
		"write":    func() error { return last(f.WriteAt(nil, 0)) },
		"size":     func() error { return last(f.Size()) },
		"truncate": func() error { return f.Truncate(0) },
		"sync":     f.Sync,
	} {
		for _, cause := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR} {
			tired.err = &fs.PathError{Op: op, Path: name, Err: cause}
			if tired.times = 1; op == "sync" {
				require.ErrorIs(t, do(), cause)
				continue
			}
			tired.times, slept = 5, 0
			require.NoError(t, do(), op)
			require.NotZero(t, slept)
			tired.times, slept = 1000, 0
			require.ErrorIs(t, do(), cause, op)
			require.Less(t, slept, 10*time.Second)
			require.Greater(t, tired.times, 900)
		}
		tired.err, tired.times = errors.New("another"), 1
		require.ErrorIs(t, do(), tired.err, op)
		require.Zero(t, tired.times)
	}
}
