// SPDX-License-Identifier: Apache-2.0

package file

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// A lookedFS records changes of names without an earlier check of the lock.
type lookedFS struct {
	vfs.FS
	mu      sync.Mutex
	looked  map[string]bool // by goroutine
	changes int
	blind   []string
}

func (f *lookedFS) change(op, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changes++; !f.looked[goroutine()] {
		f.blind = append(f.blind, op+" "+name)
	}
	delete(f.looked, goroutine())
}

// goroutine names the caller's goroutine.
func goroutine() string {
	var stack [64]byte
	name, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), " [")
	return name
}

func (f *lookedFS) Create(name string) (vfs.File, error) {
	f.change("create", name)
	return f.FS.Create(name)
}
func (f *lookedFS) Rename(from, to string) error {
	f.change("rename", from)
	return f.FS.Rename(from, to)
}
func (f *lookedFS) Remove(name string) error { f.change("remove", name); return f.FS.Remove(name) }
func (f *lookedFS) Lock(name string) (vfs.Lock, error) {
	l, err := f.FS.Lock(name)
	return lookedLock{l, f}, err
}

type lookedLock struct {
	vfs.Lock
	fs *lookedFS
}

func (l lookedLock) Held() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	l.fs.looked[goroutine()] = true
	return nil
}

// TestLooksBeforeChanges checks that a log checks its lock before each time it creates, renames or removes a file.
func TestLooksBeforeChanges(t *testing.T) {
	f := &lookedFS{FS: vfstest.New(), looked: map[string]bool{}}
	l, err := Open(t.Context(), Options{Path: "/log", SegmentSize: minSegment, Sync: SyncNever, fs: f})
	require.NoError(t, err)
	f.mu.Lock()
	f.blind, f.changes = nil, 0
	f.mu.Unlock()
	var seqs []uint64
	for i := range 50 {
		fact, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "s", Key: "k", Value: fmt.Appendf(nil, `"%0500d"`, i)})
		require.NoError(t, err)
		if i%7 == 0 {
			seqs = append(seqs, fact.Seq)
		}
	}
	require.NoError(t, l.WriteSnapshot(t.Context(), 20))
	_, err = l.Prune(t.Context(), slices.Values(seqs), backend.Horizon{})
	require.NoError(t, err)
	_, err = l.Prune(t.Context(), slices.Values([]uint64{1000}), backend.Horizon{}) // a file that is discarded
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.Empty(t, f.blind)
	require.Greater(t, f.changes, 20)
}
