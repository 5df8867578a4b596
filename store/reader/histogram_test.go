// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/query"
)

// TestTimes: histograms count each fact once, and moments are between facts.
func TestTimes(t *testing.T) {
	w := newWorld(t, 300, Options{})
	ask := []query.HistogramQuery{{Known: true, True: true}, {Store: "a", True: true}, {Store: "a", AtSeq: 100}, {From: epoch.Add(50 * time.Hour), To: epoch.Add(60 * time.Hour), ByProducer: true, ByStore: true}}
	for i, q := range append(ask, ask...) {
		if i == len(ask) { // the same when a store is in memory
			_, err := w.loaded(t.Context(), "a", true)
			require.NoError(t, err)
		}
		h, err := w.Histogram(t.Context(), nil, q)
		require.NoError(t, err)
		facts, between := uint64(0), uint64(0)
		for _, f := range w.facts {
			if (q.Store == "" || f.Store == q.Store) && (q.AtSeq == 0 || f.Seq <= q.AtSeq) {
				facts++
				if !f.TransactionTime.Before(q.From) && f.TransactionTime.Before(q.To) {
					between++
				}
			}
		}
		for _, a := range []*query.Axis{h.Known, h.True} {
			if a == nil {
				continue
			}
			sum := uint64(0)
			for _, n := range a.Counts {
				sum += n
			}
			require.Equal(t, a.Facts, sum)
			if q.From.IsZero() {
				require.Equal(t, facts, sum)
			} else {
				require.Equal(t, between, sum)
				grouped := uint64(0)
				for _, g := range h.Groups {
					grouped += g.Facts
				}
				require.Equal(t, between, grouped)
			}
		}
	}
	h, err := w.Histogram(t.Context(), nil, query.HistogramQuery{From: epoch.Add(50 * time.Hour), To: epoch.Add(60 * time.Hour), ByStore: true})
	require.NoError(t, err)
	require.Equal(t, []uint64{101, 120, 0, 0}, []uint64{h.First.Seq, h.Last.Seq, h.Known.Before, h.Known.After}, "of the facts between, whichever blocks of the log were read")
	for _, at := range []time.Time{epoch.Add(-time.Hour), epoch, epoch.Add(90 * time.Minute), epoch.Add(1000 * time.Hour)} {
		m, err := w.Moment(t.Context(), nil, query.MomentQuery{At: at})
		require.NoError(t, err)
		i := slices.IndexFunc(w.facts, func(f backend.Fact) bool { return f.TransactionTime.After(at) })
		if i < 0 {
			i = len(w.facts)
		}
		w.requirePlace(i-1, m.At)
		w.requirePlace(i-2, m.Previous)
		w.requirePlace(i, m.Next)
	}
	key := "k/4"
	for seq := uint64(1); seq <= 300; seq += 7 {
		m, err := w.Moment(t.Context(), nil, query.MomentQuery{Seq: seq, Store: "c", Key: &key})
		require.NoError(t, err)
		at := w.value("c", key, query.Moment{Seq: seq})
		require.Equal(t, at.Seq != 0, m.At != nil)
		if m.At != nil {
			require.Equal(t, at.Seq, m.At.Seq)
		}
	}
}

// TestPlace: the place of a list is the last fact that is visible then.
func TestPlace(t *testing.T) {
	w := newWorld(t, 100, Options{})
	for _, at := range append(w.moments(), query.Moment{Seq: 90, Time: epoch.Add(10 * time.Hour)}, query.Moment{Seq: 10, Time: epoch.Add(20 * time.Hour)}) {
		k, err := w.Keys(t.Context(), nil, query.KeysQuery{Store: "a", At: at})
		require.NoError(t, err)
		var want query.Place
		for _, f := range w.facts {
			if visible(&f, query.Moment{Seq: at.Seq, Time: at.Time}) {
				want = query.Place{Seq: f.Seq, Time: f.TransactionTime}
			}
		}
		require.Equal(t, want, k.Place, "%+v", at)
	}
}

func (w *world) requirePlace(i int, p *query.Place) {
	w.Helper()
	if i < 0 || i >= len(w.facts) {
		require.Nil(w, p)
		return
	}
	require.NotNil(w, p)
	require.Equal(w, w.facts[i].Seq, p.Seq)
}

// TestLatestTime: a fact may be true from the last nanosecond of the year 9999 on; the histogram can be JSON, and counts it.
func TestLatestTime(t *testing.T) {
	for _, first := range []time.Time{latest, epoch} {
		log := memory.New(memory.Options{})
		r := New(log, Options{})
		for i, at := range []time.Time{first, latest} {
			_, err := log.WriteFact(t.Context(), backend.Fact{ID: strconv.Itoa(i), Store: "s", Key: "k", Value: []byte("1"), ValidTime: at})
			require.NoError(t, err)
		}
		for _, q := range []query.HistogramQuery{{True: true}, {True: true, Store: "s", AtSeq: 2}} {
			h, err := r.Histogram(t.Context(), nil, q)
			require.NoError(t, err)
			require.Equal(t, []uint64{2, 0, 0}, []uint64{h.True.Facts, h.True.Before, h.True.After})
			_, err = json.Marshal(h)
			require.NoError(t, err)
		}
		require.NoError(t, r.Close())
		require.NoError(t, log.Close())
	}
}
