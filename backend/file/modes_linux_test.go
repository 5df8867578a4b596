// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// TestModes makes every kind of file under a umask that allows everything: they are for their owner only.
func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	defer syscall.Umask(syscall.Umask(0))
	open := func() *file.Log {
		l, err := file.Open(t.Context(), file.Options{Path: dir, SegmentSize: 4 << 10})
		require.NoError(t, err)
		return l
	}
	write := func(l *file.Log, n int) {
		for range n {
			_, err := l.WriteFact(t.Context(), backend.Fact{ID: backend.NewLogID().String(), Store: "s", Key: "k", Value: make1k()})
			require.NoError(t, err)
		}
	}
	l := open()
	write(l, 10)
	require.NoError(t, l.WriteSnapshot(t.Context(), 5))
	write(l, 10)
	require.NoError(t, l.Close())
	all, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	require.NoError(t, err)
	f, err := os.OpenFile(all[len(all)-1], os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("torn")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, open().Close())
	seen := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, path)
		seen++
		return nil
	}))
	require.Greater(t, seen, 8)
	require.DirExists(t, filepath.Join(dir, "quarantine"))
}

// make1k returns a value of about 1000 bytes.
func make1k() []byte {
	value := make([]byte, 1000)
	for i := range value {
		value[i] = 'x'
	}
	value[0], value[999] = '"', '"'
	return value
}

// TestVerifyWritesNothing verifies a log whose LOCK is a link, is missing, or has a text: Verify changes and creates no
// file.
func TestVerifyWritesNothing(t *testing.T) {
	dir := t.TempDir()
	l, err := file.Open(t.Context(), file.Options{Path: dir})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	lock, victim := filepath.Join(dir, "LOCK"), filepath.Join(t.TempDir(), "victim")
	stamp := func() (text string, all []string) {
		for _, name := range names(t, dir) {
			info, err := os.Lstat(filepath.Join(dir, name))
			require.NoError(t, err)
			all = append(all, name+info.ModTime().String())
		}
		b, _ := os.ReadFile(lock)
		return string(b), all
	}
	for _, spoil := range []func(){
		func() {},
		func() { require.NoError(t, os.WriteFile(lock, []byte("1\n"), 0o600)) },
		func() { require.NoError(t, os.Remove(lock)) },
	} {
		spoil()
		text, all := stamp()
		_, err = file.Verify(t.Context(), dir)
		require.NoError(t, err)
		_, err = file.PlanRepair(t.Context(), dir)
		require.NoError(t, err)
		nowText, now := stamp()
		require.Equal(t, text, nowText)
		require.Equal(t, all, now)
	}
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	require.NoError(t, os.Symlink(victim, lock))
	_, err = file.Verify(t.Context(), dir)
	require.ErrorIs(t, err, syscall.ELOOP)
	_, err = file.Open(t.Context(), file.Options{Path: dir})
	require.ErrorIs(t, err, syscall.ELOOP)
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}
