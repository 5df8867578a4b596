// SPDX-License-Identifier: Apache-2.0

package wholefile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWriteExisting writes to what exists: a file keeps its mode, a link stays, also one to a missing file, a device and
// a pipe are written to.
func TestWriteExisting(t *testing.T) {
	dir := t.TempDir()
	say := func(f *os.File) error { _, err := f.WriteString("new"); return err }
	path, link, dangling := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "dangling")
	require.NoError(t, os.WriteFile(path, []byte("old and longer"), 0o600))
	require.NoError(t, os.Chmod(path, 0o644))
	require.NoError(t, os.Symlink("file", link))
	require.NoError(t, os.Symlink("later", dangling))
	for link, path := range map[string]string{link: path, dangling: filepath.Join(dir, "later")} {
		require.NoError(t, Write(link, 0o600, say))
		info, err := os.Lstat(link)
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&os.ModeSymlink)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "new", string(text))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode().Perm())

	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink("loop", loop))
	require.Error(t, Write(loop, 0o600, say))
	require.Error(t, Write(dir, 0o600, say), "a directory")
	require.NoError(t, Write(os.DevNull, 0o600, say))
	info, err = os.Stat(os.DevNull)
	require.NoError(t, err)
	require.False(t, info.Mode().IsRegular())
}

// TestWrite creates a file, replaces it, and fails to: the file always is as one Write made it, and no other file is left.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	say := func(text string, err error) func(f *os.File) error {
		return func(f *os.File) error {
			_, failed := f.WriteString(text)
			return errors.Join(err, failed)
		}
	}
	failure := errors.New("failure")
	require.ErrorIs(t, Write(path, 0o600, say("half", failure)), failure)
	require.NoFileExists(t, path)
	for _, text := range []string{"one", "two"} {
		require.NoError(t, Write(path, 0o600, say(text, nil)))
		require.ErrorIs(t, Write(path, 0o600, say("half", failure)), failure)
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Error(t, Write(filepath.Join(path, "x"), 0o600, say("", nil)))
}
