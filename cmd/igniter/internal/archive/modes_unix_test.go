// SPDX-License-Identifier: Apache-2.0

//go:build unix

package archive

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestModes makes a backup under a umask that allows everything: it is for its owner only.
func TestModes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "backup")
	d, err := OpenDir(path)
	require.NoError(t, err)
	_, _, err = d.Add(Header{After: 0, Through: 10}, Summary{}, framed(nil, facts(0, 5)), none)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	seen := 0
	require.NoError(t, filepath.WalkDir(path, func(path string, e os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, path)
		seen++
		return nil
	}))
	require.Equal(t, 3, seen)
}
