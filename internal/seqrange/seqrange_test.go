// SPDX-License-Identifier: Apache-2.0

package seqrange_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/internal/seqrange"
)

// TestAgainstMap compares sets of seqs at both ends of the numbers with maps.
func TestAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Custom(func(t *rapid.T) uint64 {
			n := rapid.Uint64Range(0, 40).Draw(t, "seq")
			if n > 20 {
				return math.MaxUint64 - 40 + n
			}
			return n
		})
		seqs := rapid.SliceOf(seq).Draw(t, "seqs")
		want := map[uint64]bool{}
		for _, n := range seqs {
			want[n] = true
		}
		sorted := slices.Compact(slices.Sorted(slices.Values(seqs)))
		s := seqrange.Collect(slices.Values(seqs))
		check := func(s seqrange.Set) {
			require.Equal(t, sorted, slices.Collect(s.All()))
			require.Equal(t, uint64(len(want)), s.Len())
			for i, r := range s {
				require.LessOrEqual(t, r[0], r[1])
				require.True(t, i == 0 || r[0] > s[i-1][1]+1, "%d", s)
			}
			first, last := seq.Draw(t, "first"), seq.Draw(t, "last")
			require.Equal(t, want[first], s.Has(first))
			overlaps := slices.ContainsFunc(sorted, func(n uint64) bool { return first <= n && n <= last })
			require.Equal(t, overlaps, first <= last && s.Overlaps(first, last))
		}
		check(s)
		var ascending seqrange.Set
		for _, n := range sorted {
			ascending = ascending.Append(n)
		}
		check(ascending)
		ranges := rapid.Permutation(slices.Concat(s, s, [][2]uint64{{5, 4}, {math.MaxUint64, 0}})).Draw(t, "ranges")
		check(seqrange.Of(ranges...))

		last := seq.Draw(t, "through")
		before := slices.Clone(s)
		sorted = slices.DeleteFunc(slices.Clone(sorted), func(n uint64) bool { return n > last })
		var through []uint64
		for n := range s.Through(last).All() {
			through = append(through, n)
		}
		require.Equal(t, len(sorted), len(through))
		require.True(t, slices.Equal(sorted, through))
		require.Equal(t, before, s)
		for range s.All() {
			break
		}

		other := seqrange.Collect(slices.Values(rapid.SliceOf(seq).Draw(t, "other")))
		var without []uint64
		for n := range s.All() {
			if !other.Has(n) {
				without = append(without, n)
			}
		}
		require.Equal(t, seqrange.Collect(slices.Values(without)), seqrange.Of(s.Without(other)...))
		require.Equal(t, before, s)
	})
}

// A range takes no memory and no time for the seqs in it.
func TestHugeRange(t *testing.T) {
	s := seqrange.Of([2]uint64{1, math.MaxUint64}, [2]uint64{0, 7})
	require.Equal(t, seqrange.Set{{0, math.MaxUint64}}, s)
	require.Equal(t, uint64(math.MaxUint64), s.Len())
	require.Equal(t, uint64(math.MaxUint64), seqrange.Set{{0, math.MaxUint64 - 5}, {math.MaxUint64 - 3, math.MaxUint64}}.Len())
	require.Equal(t, uint64(11), s.Through(10).Len())
	require.True(t, s.Has(1<<40))
	require.Len(t, seqrange.Collect(func(yield func(uint64) bool) {
		for n := range uint64(1_000_000) {
			yield(n)
		}
	}), 1)
}

func TestJSON(t *testing.T) {
	form, err := json.Marshal(seqrange.Collect(slices.Values([]uint64{7, 3, 1, 2})))
	require.NoError(t, err)
	require.Equal(t, "[[1,3],[7,7]]", string(form))
	var s seqrange.Set
	require.NoError(t, json.Unmarshal(form, &s))
	require.Equal(t, seqrange.Set{{1, 3}, {7, 7}}, s)
}
