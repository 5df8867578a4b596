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

// TestLinks puts links and a pipe where a log has files: none is followed, and what they name stays as it was.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	victim, name := filepath.Join(dir, "victim"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	require.NoError(t, os.Symlink(victim, name))
	_, err := OS{}.Open(name)
	require.ErrorIs(t, err, syscall.ELOOP)
	_, err = OS{}.Edit(name)
	require.ErrorIs(t, err, syscall.ELOOP)
	_, err = OS{}.Lock(name)
	require.ErrorIs(t, err, syscall.ELOOP)
	f, err := OS{}.Create(name)
	require.NoError(t, err)
	require.NoError(t, WriteAll(f, []byte("new"), 0))
	require.NoError(t, f.Close())
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err = OS{}.Open(pipe)
	require.ErrorContains(t, err, "regular")
}
