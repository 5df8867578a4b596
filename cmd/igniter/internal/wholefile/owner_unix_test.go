// SPDX-License-Identifier: Apache-2.0

//go:build unix

package wholefile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOwner makes files and directories as root in a directory of another user: they are that user's. A link to a directory
// elsewhere gives nothing away.
func TestOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chown(dir, 1234, 5678))
	made := filepath.Join(dir, "a", "b")
	uid, ok := Owner(made)
	require.True(t, ok)
	require.Equal(t, 1234, uid)
	require.NoError(t, MkdirAll(made, 0o755))
	require.NoError(t, MkdirAll(made, 0o755))
	require.NoError(t, Touch(filepath.Join(made, "c"), 0o644))
	require.NoError(t, Touch(filepath.Join(made, "c"), 0o644))
	require.NoError(t, Write(filepath.Join(made, "d"), 0o600, func(*os.File) error { return nil }))
	for _, name := range []string{"", "c", "d", ".."} {
		info, err := os.Stat(filepath.Join(made, name))
		require.NoError(t, err)
		owner := info.Sys().(*syscall.Stat_t)
		require.Equal(t, [2]uint32{1234, 5678}, [2]uint32{owner.Uid, owner.Gid}, name)
	}

	others := t.TempDir()
	require.NoError(t, os.Symlink(others, filepath.Join(dir, "link")))
	require.NoError(t, MkdirAll(filepath.Join(dir, "link"), 0o755))
	uid, _ = Owner(others)
	require.Zero(t, uid)
	require.NoError(t, os.Symlink(filepath.Join(others, "none"), filepath.Join(dir, "dangling")))
	require.Error(t, MkdirAll(filepath.Join(dir, "dangling"), 0o755))
}
