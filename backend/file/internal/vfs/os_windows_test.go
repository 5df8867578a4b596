// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOpenFiles renames and removes files that are open. To rename one to the name of another takes POSIX semantics:
// without them the error is ErrInUse, and nothing has changed.
func TestOpenFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	create := func(name string) File {
		f, err := OS{}.Create(path(name))
		require.NoError(t, err)
		t.Cleanup(func() { _ = f.Close() })
		require.NoError(t, WriteAll(f, []byte(name), 0))
		return f
	}
	moved := create("moved")
	require.NoError(t, OS{}.Rename(path("moved"), path("new")))
	require.NoError(t, WriteAll(moved, []byte("M"), 0))
	require.NoError(t, moved.Sync())
	text, err := os.ReadFile(path("new"))
	require.NoError(t, err)
	require.Equal(t, "Moved", string(text))

	target := create("target")
	if err := (OS{}).Rename(path("new"), path("target")); err != nil {
		require.ErrorIs(t, err, ErrInUse)
		text, err := os.ReadFile(path("target"))
		require.NoError(t, err)
		require.Equal(t, "target", string(text))
		require.NoError(t, target.Close())
		require.NoError(t, OS{}.Rename(path("new"), path("target")))
	}
	text, err = os.ReadFile(path("target"))
	require.NoError(t, err)
	require.Equal(t, "Moved", string(text))

	require.NoError(t, OS{}.Mkdir(path("sub")))
	require.NoError(t, OS{}.Rename(path("target"), filepath.Join(path("sub"), "set aside")))
	require.NoError(t, OS{}.Remove(filepath.Join(path("sub"), "set aside")))
	require.NoError(t, moved.Close())
	_, err = os.Stat(filepath.Join(path("sub"), "set aside"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = OS{}.Open(path("sub"))
	require.Error(t, err)
	require.NoError(t, OS{}.SyncDir(dir))
}

// TestLockFile locks a file twice, and removes it meanwhile: Windows does not let it go.
func TestLockFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "LOCK")
	fsys := NewOS()
	lock, err := fsys.Lock(name)
	require.NoError(t, err)
	_, err = NewOS().Lock(name)
	_, locked := errors.AsType[*LockedError](err)
	require.True(t, locked, err)
	require.Error(t, os.Remove(name))
	require.NoError(t, lock.Held())
	require.NoError(t, lock.Close())
	lock, err = fsys.Lock(name)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	require.NoError(t, os.Remove(name))
}
