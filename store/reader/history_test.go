// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/query"
)

// TestHistory: the pages of a history are all versions, with what each changed, from the log and from memory.
func TestHistory(t *testing.T) {
	w := newWorld(t, 150, Options{Memory: -1})
	for range 2 {
		for _, at := range w.moments() {
			var want []uint64
			for _, f := range slices.Backward(w.facts) {
				if f.Store == "a" && f.Key == "k/3" && visible(&f, at) {
					want = append(want, f.Seq)
				}
			}
			var got []uint64
			q := query.HistoryQuery{Store: "a", Key: "k/3", At: at, Limit: 3, Ticks: true}
			for {
				h, err := w.History(t.Context(), nil, q)
				require.NoError(t, err)
				require.EqualValues(t, len(want), h.Versions)
				require.Len(t, h.Ticks, len(want))
				require.Equal(t, h.Whole, at.Valid.IsZero() || follow(w, want), "%+v", at)
				for _, v := range h.Records {
					got = append(got, v.Fact.Seq)
					require.EqualValues(t, len(want)+1-len(got), v.Version)
					require.True(t, v.HashOK)
				}
				if q.Before = h.Next; h.Next == 0 {
					break
				}
			}
			require.Equal(t, want, got, "%+v", at)
		}
		_, err := w.loaded(t.Context(), "a", true)
		require.NoError(t, err)
	}
}

// follow reports whether facts, given by seq with the newest first, follow each other.
func follow(w *world, seqs []uint64) bool {
	before := ""
	for _, seq := range slices.Backward(seqs) {
		f := w.facts[seq-1]
		if f.Causation != before {
			return false
		}
		before = f.ID
	}
	return true
}

// TestFacts: windows of the log, in both directions, are what one finds by looking at every fact.
func TestFacts(t *testing.T) {
	w := newWorld(t, 300, Options{})
	key := "k/2"
	where, err := query.ParseConditions([]string{"n<200"})
	require.NoError(t, err)
	at := func(hours int) time.Time { return epoch.Add(time.Duration(hours) * time.Hour) }
	for _, q := range []query.FactsQuery{
		{}, {After: 250}, {Through: 20}, {Since: at(100)}, {Until: at(30)}, {Since: at(40), Until: at(60), After: 90}, {Since: at(1000)}, {Until: at(-1)},
		{Filter: query.Filter{Stores: []string{"b"}}}, {Filter: query.Filter{Key: &key}}, {Filter: query.Filter{Prefix: "k/1"}},
		{Filter: query.Filter{Producer: "ana", Where: where}}, {Filter: query.Filter{Producer: `{"name":"bo"}`}},
	} {
		for _, readable := range [][]string{nil, {"a", "b"}} {
			var want []uint64
			isProducer := query.Filter{Producer: q.Producer}.Matcher()
			for _, f := range w.facts {
				if f.Seq > q.After && (q.Through == 0 || f.Seq <= q.Through) && (q.Since.IsZero() || !f.TransactionTime.Before(q.Since)) && (q.Until.IsZero() || f.TransactionTime.Before(q.Until)) &&
					(q.Stores == nil || slices.Contains(q.Stores, f.Store)) && (readable == nil || slices.Contains(readable, f.Store)) &&
					(q.Key == nil || f.Key == key) && len(f.Key) >= len(q.Prefix) && f.Key[:len(q.Prefix)] == q.Prefix && isProducer(&f) && query.HoldAll(q.Where, f.Value) {
					want = append(want, f.Seq)
				}
			}
			for _, reverse := range []bool{false, true} {
				for _, limit := range []int{0, 4, 1000} {
					q.Reverse, q.Limit, q.Changes = reverse, limit, reverse && limit == 4
					seq, facts, err := w.Facts(t.Context(), readable, q)
					require.NoError(t, err)
					require.EqualValues(t, 300, seq)
					var got []uint64
					for v, err := range facts {
						require.NoError(t, err)
						got = append(got, v.Fact.Seq)
						if q.Changes {
							w.requireChange(v)
						}
					}
					wanted := slices.Clone(want)
					if reverse {
						slices.Reverse(wanted)
						if limit == 0 {
							limit = 100
						}
					}
					if limit > 0 {
						wanted = wanted[:min(limit, len(wanted))]
					}
					require.Equal(t, wanted, got, "%+v", q)
				}
			}
		}
	}
	f, err := w.Fact(t.Context(), nil, "", "f77")
	require.NoError(t, err)
	require.EqualValues(t, 78, f.Fact.Seq)
	w.requireChange(f)
	_, err = w.Fact(t.Context(), []string{}, "", "f77")
	require.ErrorIs(t, err, query.ErrNotFound)
	_, err = w.loaded(t.Context(), w.facts[77].Store, true)
	require.NoError(t, err)
	g, ok := w.Change(t.Context(), &w.facts[77])
	require.True(t, ok)
	require.Equal(t, f, g)
}

// requireChange requires what a version says of the one before.
func (w *world) requireChange(v query.Version) {
	w.Helper()
	f := v.Fact
	before := backend.Fact{}
	if f.Seq > 1 {
		before = w.value(f.Store, f.Key, query.Moment{Seq: f.Seq - 1})
	}
	require.Equal(w, before.Seq, v.PreviousSeq)
	require.Equal(w, "yes", v.Follows)
	switch {
	case f.Retraction():
		require.Equal(w, "deleted", v.Kind)
	case before.Seq == 0 || before.Retraction():
		require.Equal(w, "created", v.Kind)
	default:
		require.Equal(w, "changed", v.Kind)
		require.Equal(w, "n", v.Changes[slices.IndexFunc(v.Changes, func(c query.Change) bool { return c.Field == "n" })].Field)
	}
}
