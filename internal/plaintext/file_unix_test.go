// SPDX-License-Identifier: Apache-2.0

//go:build unix

package plaintext

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadFile reads a pipe with a writer, does not wait for a pipe without one, and refuses an endless device.
func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("text"), 0o600))
	text, err := ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "text", string(text))
	_, err = ReadFile(path + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.Truncate(path, maxFile))
	_, err = ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, maxFile+1))
	_, err = ReadFile(path)
	require.ErrorContains(t, err, "more than 16 MiB")
	_, err = ReadFile("/dev/zero")
	require.ErrorContains(t, err, "more than 16 MiB")

	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	text, err = ReadFile(pipe)
	require.NoError(t, err)
	require.Empty(t, text)
	if runtime.GOOS != "linux" {
		return // on other systems a pipe cannot be opened for reading and writing
	}
	w, err := os.OpenFile(pipe, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = w.WriteString("from a pipe")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		text, err = ReadFile(pipe)
	}()
	_ = w.Close() // the reader may get the text, or nothing if the writer is already gone
	<-done
	require.NoError(t, err)
	require.Contains(t, "from a pipe", string(text))
}
