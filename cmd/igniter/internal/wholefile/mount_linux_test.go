// SPDX-License-Identifier: Apache-2.0

package wholefile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWriteMounted writes to a file that is a mount point, as containers mount single files: it cannot be replaced.
func TestWriteMounted(t *testing.T) {
	dir := t.TempDir()
	path, source := filepath.Join(dir, "file"), filepath.Join(dir, "source")
	for _, name := range []string{path, source} {
		require.NoError(t, os.WriteFile(name, []byte("old and longer"), 0o640))
	}
	if err := syscall.Mount(source, path, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("a bind mount needs root: %v", err)
	}
	defer syscall.Unmount(path, 0)
	failure := errors.New("failure")
	require.ErrorIs(t, Write(path, 0o600, func(*os.File) error { return failure }), failure)
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	require.Equal(t, "old and longer", string(text))
	require.NoError(t, Write(path, 0o600, func(f *os.File) error { _, err := f.WriteString("new"); return err }))
	text, err = os.ReadFile(source)
	require.NoError(t, err)
	require.Equal(t, "new", string(text))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
}

// TestWriteFull writes to a device that takes nothing.
func TestWriteFull(t *testing.T) {
	err := Write("/dev/full", 0o600, func(f *os.File) error { _, err := f.WriteString("x"); return err })
	require.ErrorIs(t, err, syscall.ENOSPC)
}

// TestSyncDir syncs a directory whose file system cannot do that: Write goes on, and Durable says so.
func TestSyncDir(t *testing.T) {
	require.NoError(t, syncDir("/proc/self"))
	require.ErrorIs(t, Durable("/proc/self"), syscall.EINVAL)
	require.NoError(t, Durable(t.TempDir()))
	require.ErrorIs(t, syncDir("/nowhere"), os.ErrNotExist)
}
