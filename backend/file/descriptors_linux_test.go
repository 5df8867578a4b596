// SPDX-License-Identifier: Apache-2.0

package file

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// TestDescriptors opens a log that has more files than a process may have descriptors, in a process of its own, and begins
// a segment there without a free descriptor: this fails, and works once a descriptor is free.
func TestDescriptors(t *testing.T) {
	const env = "IGNITER_FILE_DESCRIPTORS"
	if dir := os.Getenv(env); dir != "" {
		fewDescriptors(t, dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	opts := Options{Path: dir, SegmentSize: minSegment, Sync: SyncNever}
	l := openAt(t, opts)
	writeSome(t, l, 0, 300)
	require.NoError(t, l.Close())
	require.NoError(t, openAt(t, opts).Close()) // writes the indexes that are missing
	indexes, err := filepath.Glob(filepath.Join(dir, "*"+indexExt))
	require.NoError(t, err)
	require.Greater(t, len(indexes), 20)
	exe, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), exe, "-test.run=^TestDescriptors$")
	child.Env = append(os.Environ(), env+"="+dir)
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "PASS")
}

func fewDescriptors(t *testing.T, dir string) {
	have, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = uint64(len(have) + 10)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	l, err := Open(t.Context(), Options{Path: dir, SegmentSize: minSegment, Sync: SyncNever})
	require.NoError(t, err)
	require.LessOrEqual(t, len(l.Report().Read), 1) // the last one
	require.Equal(t, 300, count(t, l, 0))

	var taken []*os.File
	n, failed := 300, 0
	for sealed := len(l.state.Load().sealed); failed < 2 || len(l.state.Load().sealed) < sealed+2; {
		for failed < 2 { // repeatedly, since the flusher frees descriptors when it has made an index
			f, err := os.Open(os.DevNull)
			if err != nil {
				require.ErrorIs(t, err, syscall.EMFILE)
				break
			}
			taken = append(taken, f)
		}
		_, err := l.WriteFact(t.Context(), newFact(n))
		if err == nil {
			n++
			continue
		}
		require.ErrorIs(t, err, syscall.EMFILE)
		require.NotErrorIs(t, err, backend.ErrFailed)
		failed++
		if failed == 2 {
			require.NoError(t, taken[0].Close()) // the flusher may take this descriptor first, for a moment
		}
	}
	for _, f := range taken[1:] {
		require.NoError(t, f.Close())
	}
	require.Equal(t, n, count(t, l, 0))
	require.NoError(t, l.Close())
}
