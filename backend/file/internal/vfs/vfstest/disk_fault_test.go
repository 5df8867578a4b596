// SPDX-License-Identifier: Apache-2.0

package vfstest

import (
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// faultsAt returns a Hook with faults by the number of the step.
func faultsAt(faults map[int]*Fault) Hook {
	return func(_, _ string, n int) *Fault { return faults[n] }
}

func TestDiskCapacity(t *testing.T) {
	d := New()
	saved(t, d, "a", "1234")
	d.Capacity = 10
	f := saved(t, d, "b", "12345")
	n, err := f.WriteAt([]byte("123"), 4)
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, "123412", content(t, d, "b"))
	written(t, f, 0, "inside")
	require.ErrorIs(t, f.Truncate(7), syscall.ENOSPC)
	require.NoError(t, d.Remove("a"))
	written(t, f, 4, "345678")
	d.With(func() { d.Capacity = 20 })
	written(t, f, 10, "1234567890")
}

func TestDiskFailedSync(t *testing.T) {
	d := New()
	f := saved(t, d, "a", "....")
	written(t, f, 0, "1")
	d.Fault = faultsAt(map[int]*Fault{len(d.log) + 1: {}})
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	require.NoError(t, f.Sync())
	written(t, f, 1, "2")
	require.NoError(t, f.Sync())

	require.Equal(t, "12..", content(t, d, "a"))
	require.Equal(t, ".2..", content(t, d.Image(0, PowerCut), "a"))
	require.Equal(t, "12..", content(t, d.Image(1, PowerCut), "a"))
	require.Contains(t, found(t, d, "a"), ".2..")
}

func TestDiskFaultsInPairs(t *testing.T) {
	other := syscall.EDQUOT
	kinds := []*Fault{nil, {}, {Kind: Done}, {Kind: Short, N: 2, Err: other}}
	for i, first := range kinds {
		for j, second := range kinds {
			t.Run(fmt.Sprint(i, j), func(t *testing.T) {
				d := New()
				f := saved(t, d, "a", "....")
				d.Fault = faultsAt(map[int]*Fault{len(d.log) + 1: first, len(d.log) + 2: second})
				n, err := f.WriteAt([]byte("1234"), 0)
				require.Equal(t, first == nil, err == nil)
				written := []int{4, 0, 4, 2}[i]
				require.Equal(t, written, n)
				if i == 3 {
					require.ErrorIs(t, err, other)
				}
				now := "1234"[:written] + "...."[written:]
				require.Equal(t, second == nil, f.Sync() == nil)
				require.Equal(t, now, content(t, d, "a"))
				if j == 0 || j == 2 {
					require.Equal(t, map[string]int{now: crashSeeds}, found(t, d, "a"))
				} else {
					require.Equal(t, "....", content(t, d.Image(0, PowerCut), "a"))
				}
			})
		}
	}
}

func TestDiskFaultsOfNames(t *testing.T) {
	d := New()
	d.Fault = faultsAt(map[int]*Fault{1: {}, 2: {Kind: Done}, 4: {}, 5: {Kind: Done}, 6: {}})
	require.ErrorIs(t, d.Mkdir("x"), syscall.EIO)
	require.ErrorIs(t, d.Mkdir("x"), syscall.EIO)
	require.ErrorIs(t, d.Mkdir("x"), fs.ErrExist)
	require.ErrorIs(t, d.Remove("x"), syscall.EIO)
	_, err := d.Create("y")
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, d.SyncDir("/"), syscall.EIO)
	require.Equal(t, "-", content(t, d.Image(0, PowerCut), "y"))
	d = d.Crash(0, ProcessKill)
	require.NoError(t, d.SyncDir("/"), "a directory can be synced again")
	require.Equal(t, "", content(t, d.Image(0, PowerCut), "y"))
}

func TestDiskReadFault(t *testing.T) {
	d := New()
	f := saved(t, d, "a", "abc")
	d.ReadFault = func(op, name string, n int) *Fault {
		if op == "read" && name == "/a" && n == 0 {
			return &Fault{}
		}
		return nil
	}
	_, err := f.ReadAt(make([]byte, 3), 0)
	require.ErrorIs(t, err, syscall.EIO)
	_, err = d.Stat("a")
	require.NoError(t, err)
}

// TestSeededBugs uses each buggy file system correctly, and finds its promise broken.
func TestSeededBugs(t *testing.T) {
	install := func(t *testing.T, under vfs.FS) {
		f, err := under.Create("a.tmp")
		require.NoError(t, err)
		written(t, f, 0, "new")
		require.NoError(t, f.Sync())
		require.NoError(t, under.Rename("a.tmp", "a"))
		require.NoError(t, under.SyncDir("/"))
	}
	cut := func(t *testing.T, under vfs.FS) {
		f, err := under.Edit("a")
		require.NoError(t, err)
		require.NoError(t, f.Truncate(1))
		require.NoError(t, f.Sync())
	}
	write := func(t *testing.T, under vfs.FS) {
		f, err := under.Edit("a")
		require.NoError(t, err)
		written(t, f, 0, "new")
		require.NoError(t, f.Sync())
	}
	for _, test := range []struct {
		name   string
		bug    func(vfs.FS) vfs.FS
		do     func(*testing.T, vfs.FS)
		right  string
		broken string // one thing found with the bug
	}{
		{"NoSync", NoSync, write, "new", "old"},
		{"NoDirSyncAfterCreate", NoDirSyncAfterCreate, func(t *testing.T, under vfs.FS) {
			require.NoError(t, under.Remove("a"))
			require.NoError(t, under.SyncDir("/"))
			saved(t, under, "a", "new")
		}, "new", "-"},
		{"NoDirSyncAfterRename", NoDirSyncAfterRename, install, "new", "old"},
		{"LateSync", LateSync, write, "new", "old"},
		{"NoCut", NoCut, cut, "o", "old"},
		{"CutNotSynced", CutNotSynced, cut, "o", "old"},
		{"RenameBeforeSync", RenameBeforeSync, install, "new", ""},
		{"RetrySync", RetrySync, write, "new", "old"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, buggy := range []bool{false, true} {
				d := New()
				saved(t, d, "a", "old")
				under := vfs.FS(d)
				if buggy {
					under = test.bug(d)
				}
				if test.name == "RetrySync" && buggy {
					d.Fault = faultsAt(map[int]*Fault{len(d.log) + 2: {}})
				}
				test.do(t, under)
				counts := found(t, d, "a")
				if buggy {
					require.Contains(t, counts, test.broken)
				} else {
					require.Equal(t, map[string]int{test.right: crashSeeds}, counts)
				}
			}
		})
	}
}

// TestLateSync checks that a late Sync makes durable what was there at the one before.
func TestLateSync(t *testing.T) {
	d := New()
	saved(t, d, "a", "")
	f, err := LateSync(d).Edit("a")
	require.NoError(t, err)
	for i, synced := range []string{"", "0", "01"} {
		written(t, f, int64(i), fmt.Sprint(i))
		require.NoError(t, f.Sync())
		require.Equal(t, synced, content(t, d.Image(0, ProcessKill).Image(0, PowerCut), "a"))
	}
}
