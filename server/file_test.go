// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/server"
)

func init() { logs["file"] = openFile }

// openFile opens a log in files.
func openFile(t testing.TB) backend.Backend {
	l, err := file.Open(context.Background(), file.Options{Path: filepath.Join(t.TempDir(), "log"), Sync: file.SyncNever})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// TestPlaceOfLog: if the directory of a log is removed, clients learn that the log has diverged; only administrators learn
// its place.
func TestPlaceOfLog(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be removed")
	}
	dir := filepath.Join(t.TempDir(), "place-of-the-log")
	l, err := file.Open(t.Context(), file.Options{Path: dir, Sync: file.SyncNever})
	require.NoError(t, err)
	defer l.Close()
	tokens := newTokenFile(t, admin, tasks)
	s := serve(t, "tcp", l, server.Options{Tokens: tokens.Tokens})
	narrow, all := s.with(tasks), s.with(admin)
	narrow.requireOK("%s", writeJSON("tasks", "1"))
	require.NoError(t, os.Rename(dir, dir+"-moved"))
	time.Sleep(2 * time.Millisecond) // the log checks its directory once per millisecond
	for _, request := range []string{writeJSON("tasks", "2"), `{"op":"replay","after":0,"stores":["tasks"]}`, `{"op":"stats"}`} {
		answer := narrow.ask("%s", request)
		require.Contains(t, answer, `"error_code":"diverged"`)
		require.NotContains(t, answer, "place-of-the-log")
		require.Contains(t, all.ask("%s", request), "place-of-the-log")
	}
}
