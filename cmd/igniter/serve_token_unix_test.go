// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTokenFileStaysReadable adds to a token file of another user, behind a link: a server of that user can still read it.
func TestTokenFileStaysReadable(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	dir := t.TempDir()
	path, link := filepath.Join(dir, "tokens.yaml"), filepath.Join(dir, "link.yaml")
	require.NoError(t, os.WriteFile(path, nil, 0o640))
	require.NoError(t, os.Chmod(path, 0o640)) // whatever the umask
	require.NoError(t, os.Chown(path, 1234, 5678))
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, editTokens(link, true, func([]byte) ([]byte, error) {
		return []byte("- name: a\n  sha256: 5d2a60e021453cdfa45bfe08dc23154cb20fc386fa525ef934bbc906d3b5296c\n"), nil
	}, func() error { return nil }))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.NotZero(t, info.Size())
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	owner := info.Sys().(*syscall.Stat_t)
	require.EqualValues(t, 1234, owner.Uid)
	require.EqualValues(t, 5678, owner.Gid)
}
