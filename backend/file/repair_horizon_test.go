// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

// TestRepairHorizons repairs logs that lose facts, or the record of pruned facts. Then reads of the past are ErrCompacted,
// and never return a part of the facts, also for a store that has no facts left. Reads of the present still work.
func TestRepairHorizons(t *testing.T) {
	for _, x := range []struct {
		name   string
		pruned bool // seq 2 of store a, with the horizon 3
		damage func(t *testing.T, dir string)
		want   map[string]uint64 // seqs of horizons; the time is the fact's, or for seq 5 the repair's
	}{
		{"nothing is damaged", true, func(*testing.T, string) {}, map[string]uint64{"a": 3}},
		{"header of a pruned segment", true, flip("00000000000000000001.wal", 0), map[string]uint64{backend.AllStores: 7}},
		{"header of a whole segment", false, flip("00000000000000000001.wal", 0), nil},
		{"header of the last segment", false, flip("00000000000000000006.wal", 0), nil},
		{"header of a pruned snapshot", true, func(t *testing.T, dir string) {
			snapshot(t, dir)
			flip("00000000000000000005.snap", 0)(t, dir)
		}, map[string]uint64{backend.AllStores: 7}},
		{"content of a whole snapshot", false, func(t *testing.T, dir string) {
			snapshot(t, dir)
			flip("00000000000000000005.snap", 1)(t, dir)
		}, map[string]uint64{backend.AllStores: 7}},
		{"end of a pruned snapshot", true, func(t *testing.T, dir string) {
			snapshot(t, dir)
			flip("00000000000000000005.snap", -1)(t, dir)
		}, map[string]uint64{"a": 3}},
		{"a fact of a whole segment", false, flip("00000000000000000001.wal", 1), map[string]uint64{backend.AllStores: 7}},
		{"a fact of a pruned segment", true, flip("00000000000000000001.wal", 1), map[string]uint64{"a": 3, backend.AllStores: 7}},
		{"a fact of the last segment", false, flip("00000000000000000006.wal", 1), map[string]uint64{backend.AllStores: 7}},
		{"a missing segment", false, func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "00000000000000000001.wal")))
		}, map[string]uint64{backend.AllStores: 7}},
		{"all facts of a log", false, func(t *testing.T, dir string) {
			snapshot(t, dir)
			flip("00000000000000000005.snap", 1)(t, dir)
			require.NoError(t, os.Remove(filepath.Join(dir, "00000000000000000006.wal")))
		}, map[string]uint64{backend.AllStores: 5}},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			at := repairableLog(t, dir, x.pruned)
			x.damage(t, dir)
			at[5] = time.Now().UTC().Add(time.Hour)
			want := map[string]backend.Horizon{}
			for name, seq := range x.want {
				want[name] = backend.Horizon{Seq: seq, Time: at[seq]}
			}
			for _, repair := range []bool{true, true, false} {
				l, err := file.Open(t.Context(), file.Options{Path: dir, Repair: repair, Now: func() time.Time { return at[5] }})
				require.NoError(t, err)
				if len(want) == 0 {
					require.Empty(t, horizons(t, l))
				} else {
					require.Equal(t, want, horizons(t, l))
				}
				e, err := store.Open(t.Context(), l, store.Options{})
				require.NoError(t, err)
				_, lost := want[backend.AllStores]
				for _, name := range []string{"a", "b", "lost"} {
					_, _, err := e.GetAt(t.Context(), name, "k", store.AsOf(4))
					require.Equal(t, lost, errors.Is(err, backend.ErrCompacted), "store %s at a seq: %v", name, err)
					_, _, err = e.GetAt(t.Context(), name, "k", store.Moment{Time: at[4]})
					require.Equal(t, lost, errors.Is(err, backend.ErrCompacted), "store %s at a time: %v", name, err)
					_, _, err = e.GetAt(t.Context(), name, "k", store.Moment{})
					require.NoError(t, err)
				}
				require.NoError(t, e.Close())
				require.NoError(t, l.Close())
			}
		})
	}
}

// repairableLog makes a log with seqs 1 to 5 in one segment and 6 and 7 in the next, and returns the facts' times.
func repairableLog(t *testing.T, dir string, prune bool) (at [8]time.Time) {
	l, err := file.Open(t.Context(), file.Options{Path: dir, SegmentSize: 4 << 10})
	require.NoError(t, err)
	for i, name := range []string{"lost", "a", "a", "b", "b", "b", "b"} {
		value := fmt.Append(nil, i)
		if i == 5 { // this one does not fit behind the others
			value = fmt.Appendf(nil, "%q", strings.Repeat("x", 3000))
		}
		f, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("r", i), Store: name, Key: "k", Value: value})
		require.NoError(t, err)
		at[f.Seq] = f.TransactionTime
	}
	if prune {
		_, err := l.Prune(t.Context(), slices.Values([]uint64{2}), backend.Horizon{Seq: 3, Time: at[3]})
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	require.FileExists(t, filepath.Join(dir, "00000000000000000006.wal"))
	return at
}

// snapshot replaces all segments but the last by a snapshot.
func snapshot(t *testing.T, dir string) {
	l, err := file.Open(t.Context(), file.Options{Path: dir})
	require.NoError(t, err)
	require.NoError(t, l.WriteSnapshot(t.Context(), 5))
	require.NoError(t, l.Close())
}

// flip returns a damage: it changes the middle of the n-th frame of a file, -1 for the last.
func flip(name string, n int) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		path := filepath.Join(dir, name)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		var at []int64
		r := wire.NewReader(bytes.NewReader(content), 0)
		for from := int64(0); ; from = r.Offset() {
			if _, err := r.Next(); err != nil {
				break
			}
			at = append(at, (from+r.Offset())/2)
		}
		content[at[(n+len(at))%len(at)]] ^= 1
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}
}
