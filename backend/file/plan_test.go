// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// filesIn returns the files of a directory, without its lock.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "LOCK" {
			var text []byte
			text, err = os.ReadFile(path)
			files[path] = string(text)
		}
		return err
	}))
	return files
}

// TestPlanRepair compares a plan with the repair, and Verify with both.
func TestPlanRepair(t *testing.T) {
	value := append(append([]byte(`"`), bytes.Repeat([]byte("x"), 1000)...), '"')
	make := func(t *testing.T, snapshot bool) string {
		dir := t.TempDir()
		l, err := file.Open(t.Context(), file.Options{Path: dir, SegmentSize: 4 << 10})
		require.NoError(t, err)
		for i := range 12 {
			_, err := l.WriteFact(t.Context(), backend.Fact{ID: string(rune('a' + i)), Store: "s", Key: "k", Value: value})
			require.NoError(t, err)
			if snapshot && i == 5 {
				require.NoError(t, l.WriteSnapshot(t.Context(), 0))
			}
		}
		require.NoError(t, l.Close())
		return dir
	}
	flip := func(t *testing.T, pattern string, offset int) {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, names)
		text, err := os.ReadFile(names[0])
		require.NoError(t, err)
		text[offset] ^= 1
		require.NoError(t, os.WriteFile(names[0], text, 0o600))
	}
	for name, c := range map[string]struct {
		snapshot bool
		spoil    func(t *testing.T, dir string)
		seq      uint64
	}{
		"sound":          {false, func(*testing.T, string) {}, 0},
		"first segment":  {false, func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "*1.wal"), 2000) }, 2},
		"header":         {false, func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "*1.wal"), 20) }, 1},
		"active segment": {false, func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "*10.wal"), 500) }, 10},
		"snapshot":       {true, func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "*.snap"), 500) }, 1},
		"lost segment": {false, func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "00000000000000000004.wal")))
		}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			dir := make(t, c.snapshot)
			c.spoil(t, dir)
			before := filesIn(t, dir)
			found, err := file.Verify(t.Context(), dir)
			require.NoError(t, err)
			require.Len(t, found.Seqs, len(found.Damage))
			if c.seq == 0 {
				require.Empty(t, found.Damage)
			} else {
				require.Contains(t, found.Seqs, c.seq, "%v", found.Damage)
			}
			plan, err := file.PlanRepair(t.Context(), dir)
			require.NoError(t, err)
			require.Equal(t, before, filesIn(t, dir), "a plan changes nothing")
			require.Equal(t, c.seq == 0 || name == "header", len(plan.Missing) == 0, "%v", plan)

			l, err := file.Open(t.Context(), file.Options{Path: dir, Repair: true})
			require.NoError(t, err)
			require.NoError(t, l.Close())
			require.Equal(t, plan, l.Report())
		})
	}
	_, err := file.PlanRepair(t.Context(), filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
