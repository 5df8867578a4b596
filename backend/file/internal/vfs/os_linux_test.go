// SPDX-License-Identifier: Apache-2.0

package vfs

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKeptDirectory syncs the directory of a lock without opening it by name, since it has another name by then.
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

// TestOwner makes files as root in another user's directory: this user owns them.
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
	lock, err := NewOS().Lock(filepath.Join(dir, "LOCK"))
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	for _, name := range []string{"file", "sub", "LOCK"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		owner := info.Sys().(*syscall.Stat_t)
		require.Equal(t, [2]uint32{65534, 65533}, [2]uint32{owner.Uid, owner.Gid}, name)
	}
}

// TestLinks puts links and a pipe in place of a log's files: OS follows none of them, and their targets do not change.
// os.Root alone follows links that stay below it.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	kept := NewOS()
	lock, err := kept.Lock(path("LOCK"))
	require.NoError(t, err)
	defer lock.Close()
	for name, fsys := range map[string]OS{"kept": kept, "not kept": {}} {
		victim, link, pipe := path("victim"), path("link"), path("pipe")
		require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
		require.NoError(t, os.Symlink("victim", link))
		require.NoError(t, syscall.Mkfifo(pipe, 0o600))
		for _, name := range []string{link, pipe} {
			_, err := fsys.Open(name)
			require.ErrorContains(t, err, "regular", name)
			_, err = fsys.Edit(name)
			require.ErrorContains(t, err, "regular", name)
		}
		_, err = NewOS().Lock(link)
		require.ErrorIs(t, err, syscall.ELOOP)
		_, err = NewOS().LockRead(link)
		require.ErrorIs(t, err, syscall.ELOOP)
		for _, name := range []string{link, pipe} {
			f, err := fsys.Create(name)
			require.NoError(t, err)
			require.NoError(t, WriteAll(f, []byte("new"), 0))
			require.NoError(t, f.Close())
			require.NoError(t, os.Remove(name))
		}
		text, err := os.ReadFile(victim)
		require.NoError(t, err)
		require.Equal(t, "precious", string(text), name)
	}
}

// TestReplacedDirectory replaces a directory by another and by a link. OS makes, finds, renames and removes files in the
// directory whose lock is held, and changes nothing in the other.
func TestReplacedDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Mkdir(dir, 0o700))
	fsys := NewOS()
	lock, err := fsys.Lock(path("LOCK"))
	require.NoError(t, err)
	require.NoError(t, os.Rename(dir, dir+".old"))
	require.NoError(t, os.Mkdir(dir+".new", 0o700))
	require.NoError(t, os.Symlink(dir+".new", dir))
	require.Error(t, lock.Held())
	for _, name := range []string{"moved", "removed"} {
		f, err := fsys.Create(path(name))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	require.NoError(t, fsys.Mkdir(path("sub")))
	require.NoError(t, fsys.Rename(path("moved"), path("sub/kept")))
	require.NoError(t, fsys.Remove(path("removed")))
	require.NoError(t, fsys.SyncDir(path("sub")))
	_, err = fsys.Stat(path("sub/kept"))
	require.NoError(t, err)
	names := func(entries []os.DirEntry, err error) (all []string) {
		require.NoError(t, err)
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return all
	}
	require.Equal(t, []string{"LOCK", "sub"}, names(fsys.ReadDir(dir)))
	require.Equal(t, []string{"kept"}, names(os.ReadDir(dir+".old/sub")))
	require.Empty(t, names(os.ReadDir(dir+".new")))
	require.NoError(t, lock.Close())
	require.Empty(t, names(fsys.ReadDir(dir)), "the path counts again")
}

// TestModes makes files and directories under umasks that allow more and less.
func TestModes(t *testing.T) {
	for _, mask := range []int{0, 0o777} {
		dir := filepath.Join(t.TempDir(), "log")
		before := syscall.Umask(mask)
		err := OS{}.Mkdir(dir)
		fsys := NewOS()
		lock, lockErr := fsys.Lock(filepath.Join(dir, "LOCK"))
		f, createErr := fsys.Create(filepath.Join(dir, "file"))
		subErr := fsys.Mkdir(filepath.Join(dir, "sub"))
		syscall.Umask(before)
		require.NoError(t, errors.Join(err, lockErr, createErr, subErr))
		require.NoError(t, errors.Join(f.Close(), lock.Close()))
		for name, mode := range map[string]os.FileMode{".": 0o700, "file": 0o600, "sub": 0o700, "LOCK": 0o600} {
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode().Perm(), "%s, umask %o", name, mask)
		}
	}
}

// TestLockRead shares a lock among readers. It neither makes nor changes a file, and says to others what it is.
func TestLockRead(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "LOCK")
	lock, err := NewOS().LockRead(name)
	require.NoError(t, err)
	require.NoError(t, lock.Held())
	require.NoError(t, lock.Close())
	require.NoFileExists(t, name)

	writer, err := NewOS().Lock(name)
	require.NoError(t, err)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	_, err = NewOS().LockRead(name)
	locked, ok := errors.AsType[*LockedError](err)
	require.True(t, ok, err)
	require.Equal(t, LockedError{Path: name, Holder: self()}, *locked)
	require.Empty(t, locked.Elsewhere())
	require.NoError(t, writer.Close())

	var readers []Lock
	for range 2 {
		lock, err := NewOS().LockRead(name)
		require.NoError(t, err)
		readers = append(readers, lock)
	}
	_, err = NewOS().Lock(name)
	locked, ok = errors.AsType[*LockedError](err)
	require.True(t, ok, err)
	require.Equal(t, LockedError{Path: name, Shared: true}, *locked)
	for _, r := range readers {
		require.NoError(t, r.Close())
	}
	now, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(text), string(now))
}

// TestElsewhere reads the texts of locks of other machines, containers and releases.
func TestElsewhere(t *testing.T) {
	here := self()
	require.Equal(t, here, parseHolder(here.text()))
	for _, c := range []struct {
		text, want string
		pid        int
	}{
		{"17\n", "", 17},
		{"17", "", 17},
		{"", "", 0},
		{"nonsense\n\x1b[2J\n", `host "\x1b[2J"`, 0},
		{here.text(), "", here.PID},
		{Holder{1, "box", here.Boot, "pid:[1]"}.text(), `a container on this machine, host "box"`, 1},
		{Holder{1, "box", "other", here.Space}.text(), `host "box"`, 1},
	} {
		h := parseHolder(c.text)
		require.Equal(t, c.pid, h.PID, c.text)
		require.Equal(t, c.want, h.Elsewhere(), c.text)
	}
}
