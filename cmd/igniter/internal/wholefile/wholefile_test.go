package wholefile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWrite writes a file, replaces it, and fails to: it always is as one Write made it, and no other file is left.
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
