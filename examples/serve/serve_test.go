// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/companion"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serving runs the program until stop is called, and returns where it serves.
func serving(t *testing.T, args ...string) (address string, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, w)
		_ = w.CloseWithError(err)
		ended <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(strings.TrimPrefix(line, "serving on ")), func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

// TestServe writes through one server and reads through the next one on the same directory.
func TestServe(t *testing.T) {
	dir, err := os.MkdirTemp("", "ign") // not t.TempDir(), since a socket's path must be short
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	for round, listen := range []string{"127.0.0.1:0", "unix:" + filepath.Join(dir, "s")} {
		address, stop := serving(t, "-path", filepath.Join(dir, "log"), "-listen", listen)
		s, err := companion.Open(t.Context(), companion.Options{Backend: "network", Address: address})
		require.NoError(t, err)
		notes, err := companion.NewRecords[string](s, "notes")
		require.NoError(t, err)
		if round == 0 {
			_, err = notes.Put(t.Context(), "a", "kept")
			require.NoError(t, err)
		}
		found, err := notes.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "kept", found.Value)
		require.NoError(t, s.Close())
		stop()
	}
}

func TestInMemory(t *testing.T) {
	address, stop := serving(t, "-listen", "127.0.0.1:0")
	s, err := companion.Open(t.Context(), companion.Options{Backend: "network", Address: address})
	require.NoError(t, err)
	require.Zero(t, s.Head())
	require.NoError(t, s.Close())
	stop()
}

func TestErrors(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), []string{"-listen", "nowhere"}, io.Discard), "listen on tcp nowhere")
	require.ErrorContains(t, run(t.Context(), []string{"-listen", "0.0.0.0:0"}, io.Discard), "can be reached from other machines")
}
