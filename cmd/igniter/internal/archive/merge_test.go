// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// lineFacts returns the IDs and seqs of a line's facts.
func lineFacts(t *testing.T, l Line) (all []string, horizons map[string]backend.Horizon) {
	t.Helper()
	r := l.Read(l.Last().Through)
	for f, err := range backend.Facts(r.Pages()) {
		require.NoError(t, err)
		all = append(all, fmt.Sprint(f.Seq, f.ID))
	}
	s, err := r.Stats(t.Context())
	require.NoError(t, err)
	return all, s.Horizons
}

// TestMerge merges pieces of two lines, also if it is cut short after each step, and adds pieces afterwards.
func TestMerge(t *testing.T) {
	path := t.TempDir()
	add := func(h Header, before Summary) Summary {
		d, err := OpenDir(path)
		require.NoError(t, err)
		fs := facts(h.After, 2)
		p, _, err := d.Add(h, before, framed(nil, fs), func() (map[string]backend.Horizon, error) {
			return map[string]backend.Horizon{"s": {Seq: h.Through}}, nil
		})
		require.NoError(t, err)
		require.NoError(t, d.Close())
		return p.Summary
	}
	old, restored := backend.LogID{1}, backend.LogID{2}
	past := []backend.Ancestor{{Log: old, Through: 33}}
	var sums []Summary
	sum := Summary{}
	for i := range uint64(5) {
		sum = add(Header{After: i * 10, Through: i*10 + 10, Log: old}, sum)
		sums = append(sums, sum)
	}
	sum = sums[2]
	for i := uint64(3); i < 6; i++ {
		sum = add(Header{After: i * 10, Through: i*10 + 10, Line: 1, Log: restored, Ancestors: past}, sum)
	}
	type content struct {
		facts    []string
		horizons map[string]backend.Horizon
	}
	look := func() map[int]content {
		t.Helper()
		lines, err := Find(nil, path)
		require.NoError(t, err)
		all := map[int]content{}
		for _, l := range lines {
			facts, horizons := lineFacts(t, l)
			all[l.Number] = content{facts, horizons}
		}
		return all
	}
	want := look()
	require.Len(t, want, 2)
	require.Len(t, want[1].facts, 10)
	require.Len(t, want[2].facts, 12)
	before, err := named(path, pieceExt)
	require.NoError(t, err)
	saved := map[string][]byte{}
	for _, name := range before {
		saved[name], err = os.ReadFile(name)
		require.NoError(t, err)
	}
	d, err := OpenDir(path)
	require.NoError(t, err)
	replaced, by, err := d.Merge()
	require.NoError(t, err)
	require.Equal(t, []int{8, 3}, []int{replaced, by}, "the piece after which both go on ends one")
	require.Equal(t, want, look())

	// Merges that were cut short leave some of the old pieces.
	for mask := range 1 << len(before) {
		for i, name := range before {
			if _, err := os.Stat(name); mask&(1<<i) != 0 && os.IsNotExist(err) {
				require.NoError(t, os.WriteFile(name, saved[name], 0o600))
			}
		}
		if mask%16 == 15 {
			require.Equal(t, want, look(), "%b", mask)
			ends, err := d.Latest()
			require.NoError(t, err)
			require.Len(t, ends, 2)
			for _, e := range ends {
				require.NotEmpty(t, e.As, "the merged piece is chosen")
			}
		}
		if mask%64 == 63 {
			_, _, err = d.Merge()
			require.NoError(t, err)
			left, err := named(path, pieceExt)
			require.NoError(t, err)
			require.Len(t, left, 3)
			require.Equal(t, want, look(), "%b", mask)
		}
	}
	ends, err := d.Latest()
	require.NoError(t, err)
	require.NoError(t, d.Close())
	for _, e := range ends {
		add(Header{After: e.Through, Through: e.Through + 10, Line: e.Line, Log: e.Log, Ancestors: e.Ancestors}, e.Summary)
	}
	got := look()
	require.Len(t, got[1].facts, 12)
	require.Len(t, got[2].facts, 14)

	// What is missing, and what was altered, is found.
	pieces, err := named(path, pieceExt)
	require.NoError(t, err)
	for _, name := range pieces {
		bytes, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.Remove(name))
		if filepath.Base(name)[21:] == "00000000000000000030"+pieceExt {
			_, err = Find(nil, path)
			require.ErrorContains(t, err, "begins after seq 30, and what comes before it ends at seq 0")
		}
		require.NoError(t, os.WriteFile(name, bytes, 0o600))
	}
}
