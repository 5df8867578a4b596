// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
	"github.com/igniter-store/igniter/backend/backendtest/framed"
	"github.com/igniter-store/igniter/backend/file"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opener returns an Opener of logs with the options, except their path.
func opener(opts file.Options) backendtest.Opener {
	return func(t testing.TB, dir string) backend.Backend {
		opts := opts
		opts.Path = dir
		l, err := file.Open(t.Context(), opts)
		require.NoError(t, err)
		return l
	}
}

// restoreDir replaces the log in a directory by a restored one, as an operator does, also while the old one is open.
func restoreDir(t testing.TB, dir string, through uint64) {
	ctx := context.WithoutCancel(t.Context())
	old, next := t.TempDir(), filepath.Join(t.TempDir(), "next")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".wal" && filepath.Ext(e.Name()) != ".snap" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(old, e.Name()), data, 0o600))
	}
	l, err := file.Open(ctx, file.Options{Path: old})
	require.NoError(t, err)
	_, err = file.Restore(ctx, file.Options{Path: next}, l.Stats, l.Replay(ctx, backend.Range{Through: through}))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.Rename(next, dir))
}

// TestSuite runs the conformance suite without excuses under each policy, and with segments so small that
// most cases have several.
func TestSuite(t *testing.T) {
	excused := &backendtest.Options{Restore: restoreDir}
	require.Empty(t, backendtest.Skipped(excused))
	if runtime.GOOS == "windows" {
		excused.Restore = nil // Windows does not replace the directory of an open log
	}
	for name, opts := range map[string]file.Options{
		"always":          {}, // TestFramesSuite has never
		"interval, small": {Sync: file.SyncInterval, SyncInterval: 1e6, SegmentSize: 4 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backendtest.Run(t, opener(opts), excused)
		})
	}
}

// TestFramesSuite runs the suite over the frames that the log yields.
func TestFramesSuite(t *testing.T) {
	t.Parallel()
	if raceEnabled && !soak() {
		t.Skip("TestSuite reads the same frames, and decodes them: run it without the race detector, or with IGNITER_SOAK")
	}
	open := opener(file.Options{Sync: file.SyncNever, SegmentSize: 64 << 10})
	backendtest.Run(t, func(t testing.TB, dir string) backend.Backend { return framed.Log(open(t, dir).(*file.Log)) }, nil)
}

func Benchmark(b *testing.B) { backendtest.Benchmark(b, opener(file.Options{})) }
