// SPDX-License-Identifier: Apache-2.0

// Package python tests the reader of logs in Python against the golden files.
package python

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// read runs the reader on a log.
func read(t *testing.T, dir string) (facts string, err error) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	var out, trouble bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python, "igniter_log.py", dir)
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err = cmd.Run(); err != nil {
		t.Log(trouble.String())
	}
	return out.String(), err
}

// zstd reports whether Python or the system can decompress snapshots.
var zstd = sync.OnceValue(func() bool {
	probe := `import sys, ctypes.util; sys.exit(sys.version_info < (3, 14) and not ctypes.util.find_library("zstd"))`
	return exec.Command("python3", "-c", probe).Run() == nil
})

// TestGoldenLogs compares what the reader prints with what igniter export prints, see TestExportGolden in cmd/igniter.
func TestGoldenLogs(t *testing.T) {
	all, err := filepath.Glob("../../backend/file/testdata/v*/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, golden := range all {
		dir := strings.TrimSuffix(golden, ".jsonl")
		t.Run(strings.TrimPrefix(dir, "../../backend/file/testdata/"), func(t *testing.T) {
			t.Parallel()
			if strings.Contains(dir, "snapshot") && !zstd() {
				t.Skip("there is no libzstd for python3")
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			got, err := read(t, dir)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(string(want), got))
		})
	}
}

// A log that was just written, with a group whose values have line ends of their own.
func TestFreshLog(t *testing.T) {
	dir := t.TempDir()
	l, err := file.Open(t.Context(), file.Options{Path: dir})
	require.NoError(t, err)
	for _, w := range l.Write(t.Context(),
		backend.Batch{Facts: []backend.Fact{{ID: "a", Store: "s", Key: "k", Value: []byte("[1,\n\"]\"]")}, {ID: "b", Store: "s", Key: "k", Value: []byte("{}")}}},
		backend.Batch{Facts: []backend.Fact{{ID: "c", Store: "s", Key: "k", Value: []byte(`"h"`)}}},
	) {
		require.NoError(t, w.Err)
	}
	got, err := read(t, dir)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(got, `{"seq":`))
	require.Contains(t, got, "\"value\":[1,\n\"]\"]}")
	require.NoError(t, l.Close())
}

// A frame that was cut short at the end was never acknowledged; damage before a whole frame is an error.
func TestDamage(t *testing.T) {
	segment := func(t *testing.T) (dir, path string, data []byte) {
		t.Helper()
		dir = t.TempDir()
		name := "00000000000000000017.wal"
		data, err := os.ReadFile("../../backend/file/testdata/v2/segments/" + name)
		require.NoError(t, err)
		require.NoError(t, os.CopyFS(dir, os.DirFS("../../backend/file/testdata/v2/segments")))
		return dir, filepath.Join(dir, name), bytes.TrimRight(data, "\x00")
	}
	t.Run("torn", func(t *testing.T) {
		dir, path, data := segment(t)
		require.NoError(t, os.WriteFile(path, data[:len(data)-10], 0o600))
		got, err := read(t, dir)
		require.NoError(t, err)
		require.Less(t, strings.Count(got, "\n"), 19)
	})
	t.Run("inside", func(t *testing.T) {
		dir, path, data := segment(t)
		data[bytes.Index(data, []byte(`{"seq":17,`))+20] ^= 1
		require.NoError(t, os.WriteFile(path, data, 0o600))
		_, err := read(t, dir)
		require.Error(t, err)
	})
	t.Run("missing file", func(t *testing.T) {
		dir, _, _ := segment(t)
		require.NoError(t, os.Remove(filepath.Join(dir, "00000000000000000011.wal")))
		_, err := read(t, dir)
		require.Error(t, err)
	})
}
