package vfs

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKeptDirectory syncs the directory of a lock without opening it: it has another name by then.
func TestKeptDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.Mkdir(dir, 0o700))
	fsys := NewOS()
	lock, err := fsys.Lock(filepath.Join(dir, "LOCK"))
	require.NoError(t, err)
	require.NoError(t, os.Rename(dir, dir+".old"))
	require.NoError(t, fsys.SyncDir(dir))
	require.NoError(t, lock.Close())
	require.ErrorIs(t, fsys.SyncDir(dir), os.ErrNotExist)
}

// TestOwner makes files as root in another user's directory: they are that user's.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, 65534, 65533))
	f, err := OS{}.Create(filepath.Join(dir, "file"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, OS{}.Mkdir(filepath.Join(dir, "sub")))
	lock, err := OS{}.Lock(filepath.Join(dir, "LOCK"))
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	for _, name := range []string{"file", "sub", "LOCK"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		owner := info.Sys().(*syscall.Stat_t)
		require.Equal(t, [2]uint32{65534, 65533}, [2]uint32{owner.Uid, owner.Gid}, name)
	}
}
