// SPDX-License-Identifier: Apache-2.0

package vfs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
)

// read returns the content of a file.
func read(t *testing.T, fsys vfs.FS, name string) string {
	t.Helper()
	f, err := fsys.Open(name)
	require.NoError(t, err)
	defer f.Close()
	size, err := f.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	require.NoError(t, vfs.ReadFull(f, b, 0))
	return string(b)
}

// TestOverlay changes files through an overlay, which shows the changes; the directory below stays as it was.
func TestOverlay(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"edited", "renamed", "removed"} {
		require.NoError(t, os.WriteFile(path(name), []byte("old"), 0o600))
	}
	o := vfs.NewOverlay(t.TempDir())
	for range 2 { // the second time, the file is in the overlay already
		f, err := o.Edit(path("edited"))
		require.NoError(t, err)
		require.NoError(t, vfs.WriteAll(f, []byte("+"), 3))
		require.NoError(t, f.Close())
	}
	require.NoError(t, o.Rename(path("renamed"), path("new name")))
	require.NoError(t, o.Remove(path("removed")))
	require.NoError(t, o.Mkdir(path("sub")))
	f, err := o.Create(path("sub/made"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, o.SyncDir(dir))

	names := func(name string) (all []string) {
		entries, err := o.ReadDir(name)
		require.NoError(t, err)
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return all
	}
	require.Equal(t, []string{"edited", "new name", "sub"}, names(dir))
	require.Equal(t, []string{"made"}, names(path("sub")))
	require.Equal(t, "old+", read(t, o, path("edited")))
	require.Equal(t, "old", read(t, o, path("new name")))
	require.ErrorIs(t, o.Mkdir(path("sub")), fs.ErrExist)
	for _, gone := range []string{"renamed", "removed"} {
		_, err := o.Stat(path(gone))
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = o.Open(path(gone))
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorIs(t, o.Remove(path(gone)), fs.ErrNotExist)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	for _, e := range entries {
		require.Equal(t, "old", read(t, vfs.OS{}, path(e.Name())))
	}
}
