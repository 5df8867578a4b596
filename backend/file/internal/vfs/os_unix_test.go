// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHeld removes a locked file, replaces it by another file, and replaces its directory by a file.
func TestHeld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	name := filepath.Join(dir, "LOCK")
	require.NoError(t, os.Mkdir(dir, 0o700))
	lock, err := NewOS().Lock(name)
	require.NoError(t, err)
	defer lock.Close()
	require.NoError(t, lock.Held())
	require.NoError(t, os.Remove(name))
	require.ErrorIs(t, lock.Held(), fs.ErrNotExist)
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	require.ErrorContains(t, lock.Held(), "another file")
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	require.Error(t, lock.Held())
}

// TestIsGone distinguishes errors of missing files from errors that may be temporary.
func TestIsGone(t *testing.T) {
	for _, err := range []error{fs.ErrNotExist, syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.ESTALE} {
		require.True(t, isGone(&fs.PathError{Op: "stat", Err: err}), err)
	}
	for _, err := range []error{nil, syscall.EACCES, syscall.EIO, syscall.ENOMEM, syscall.EINTR, syscall.EMFILE, errors.New("other")} {
		require.False(t, isGone(err), err)
	}
}
