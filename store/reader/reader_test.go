// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a log with random facts, which are also in a slice.
type world struct {
	*testing.T
	log   backend.Log
	facts []backend.Fact
	*Reader
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, n int, opts Options) *world {
	w := &world{T: t, log: memory.New(memory.Options{})}
	random := rand.New(rand.NewPCG(1, uint64(n)))
	opts.now = func() time.Time { return epoch.Add(time.Duration(n) * time.Hour) }
	w.Reader = New(w.log, opts)
	w.catalog.limits.perFilter, w.catalog.limits.filterBytes = 8, 800 // many filters, but none for the first facts
	t.Cleanup(func() {
		require.NoError(t, w.Reader.Close())
		require.NoError(t, w.log.Close())
	})
	for i := range n {
		f := backend.Fact{ID: fmt.Sprint("f", i), Store: []string{"a", "b", "c"}[random.IntN(3)], Key: fmt.Sprint("k/", random.IntN(7)),
			TransactionTime: epoch.Add(time.Duration(i/2) * time.Hour), Producer: []byte(`{"name":"` + []string{"ana", "bo"}[random.IntN(2)] + `"}`)}
		f.Value = fmt.Appendf(nil, `{"n":%d,"state":%q,"in":{"x":%d}}`, i, []string{"new", "paid"}[random.IntN(2)], random.IntN(2))
		if random.IntN(5) == 0 {
			f.Value = []byte("null")
		}
		if random.IntN(3) == 0 {
			f.ValidTime = epoch.Add(time.Duration(random.IntN(n)) * time.Hour)
		}
		if i > 3 && random.IntN(3) == 0 {
			f.Derivation = fmt.Appendf(nil, `{"rule":"r","sources":["f%d","f%d"]}`, random.IntN(i), random.IntN(i))
		}
		f, err := w.log.WriteFact(t.Context(), f)
		require.NoError(t, err)
		w.facts = append(w.facts, f)
	}
	return w
}

// TestClocks: times go by the log's, whether the store is in memory or not, and what is valid now shows, though the log's time is
// ahead of the clock.
func TestClocks(t *testing.T) {
	log := memory.New(memory.Options{})
	r := New(log, Options{})
	defer log.Close()
	defer r.Close()
	for i, ahead := range []time.Duration{-time.Hour, time.Hour, 2 * time.Hour} {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "a", Key: "k", Value: fmt.Appendf(nil, "%d", i), TransactionTime: time.Now().Add(ahead)})
		require.NoError(t, err)
	}
	for range 2 {
		for want, at := range map[string]query.Moment{"0": {Time: time.Now().Add(time.Minute)}, "1": {Time: time.Now().Add(90 * time.Minute)}, "2": {ValidNow: true}} {
			v, err := r.Get(t.Context(), nil, "a", "k", at)
			require.NoError(t, err)
			require.Equal(t, want, string(v.Fact.Value), "%+v", at)
		}
		k, err := r.Keys(t.Context(), nil, query.KeysQuery{Store: "a", At: query.Moment{ValidNow: true}}) // loads it
		require.NoError(t, err)
		require.Equal(t, "2", string(k.Records[0].Fact.Value))
		require.Len(t, r.Loaded(), 1)
	}
}

// moments are of both axes, the present too.
func (w *world) moments() []query.Moment {
	all := []query.Moment{{}, {Seq: 1}, {Seq: uint64(len(w.facts))}}
	for i := range 4 {
		at := epoch.Add(time.Duration(i*len(w.facts)/6) * time.Hour)
		all = append(all, query.Moment{Seq: uint64(1 + i*len(w.facts)/4)}, query.Moment{Time: at}, query.Moment{Valid: at}, query.Moment{Seq: uint64(len(w.facts) / 2), Valid: at}, query.Moment{Time: at, Valid: at})
	}
	return all
}

// value is what a key has at a moment: found by looking at every fact.
func (w *world) value(store, key string, at query.Moment) (found backend.Fact) {
	for _, f := range w.facts {
		if f.Store == store && f.Key == key && visible(&f, at) && (at.Valid.IsZero() || found.Seq == 0 || !validOf(&f).Before(validOf(&found))) {
			found = f
		}
	}
	return found
}

// TestValue: a key's value is the same from the log and from memory, and what one finds by looking at every fact.
func TestValue(t *testing.T) {
	w := newWorld(t, 100, Options{Memory: -1})
	for _, held := range []bool{false, true} {
		for _, at := range w.moments() {
			for i := range 8 {
				key := fmt.Sprint("k/", i)
				want := w.value("a", key, at)
				got, err := w.Get(t.Context(), nil, "a", key, at)
				if !held {
					w.asked["a"] = 0 // it stays on the log
					require.Empty(t, w.Loaded())
				}
				missing, _ := err.(*query.NoValueError)
				switch {
				case want.Seq == 0:
					require.NotNil(t, missing, "%v %+v", err, at)
					require.Nil(t, missing.Deleted)
				case want.Retraction():
					require.NotNil(t, missing, "%v %+v", err, at)
					require.Equal(t, want.Seq, missing.Deleted.Seq, "%+v", at)
				default:
					require.NoError(t, err)
					require.Equal(t, want.Seq, got.Fact.Seq, "%s %+v", key, at)
					require.Equal(t, uint64(100), got.Seq)
				}
			}
		}
		_, err := w.loaded(t.Context(), "a", true)
		require.NoError(t, err)
	}
	_, err := w.Get(t.Context(), []string{"b"}, "a", "k/1", query.Moment{})
	require.ErrorIs(t, err, backend.ErrForbidden)
	_, err = w.Get(t.Context(), nil, "a", "k/1", query.Moment{Seq: 101})
	require.ErrorIs(t, err, backend.ErrDiverged)
}

// TestKeys: pages of keys are whole and in order, and have the counts.
func TestKeys(t *testing.T) {
	w := newWorld(t, 100, Options{})
	where, err := query.ParseConditions([]string{"state=paid", "n>=20"})
	require.NoError(t, err)
	for _, at := range w.moments() {
		for _, order := range []string{"key", "-changed", "value.n", "-value.n", ""} {
			q := query.KeysQuery{Store: "a", At: at, Order: order, Limit: 2, Where: where, Facets: []string{"state", "in.x", "producer"}}
			var want []backend.Fact
			keys, anyState := 0, 0
			for i := range 7 {
				f := w.value("a", fmt.Sprint("k/", i), at)
				if f.Seq == 0 || f.Retraction() {
					continue
				}
				if query.HoldAll(where[1:], f.Value) {
					anyState++
				}
				if keys++; query.HoldAll(where, f.Value) {
					want = append(want, f)
				}
			}
			slices.SortFunc(want, func(a, b backend.Fact) int {
				c := cmp.Compare(a.Key, b.Key)
				if order == "-changed" || order == "value.n" || order == "-value.n" {
					c = cmp.Compare(a.Seq, b.Seq)
				}
				if order != "" && order[0] == '-' {
					return -c
				}
				return c
			})
			var got []uint64
			for {
				k, err := w.Keys(t.Context(), nil, q)
				require.NoError(t, err)
				require.Equal(t, []int{keys, len(want)}, []int{k.Keys, k.Count}, "%+v", at)
				for _, r := range k.Records {
					got = append(got, r.Fact.Seq)
				}
				if q.Cursor = k.Next; k.Next == "" {
					sum := map[string]int{}
					for name, f := range k.Facets {
						sum[name] = f.Missing
						for _, v := range f.Values {
							sum[name] += v.Count
						}
					}
					require.Equal(t, map[string]int{"state": anyState, "in.x": len(want), "producer": len(want)}, sum)
					break
				}
			}
			var seqs []uint64
			for _, f := range want {
				seqs = append(seqs, f.Seq)
			}
			if order == "" { // in the order of first writing, which the oracle does not know
				slices.Sort(got)
				slices.Sort(seqs)
			}
			require.Equal(t, seqs, got, "%q %+v", order, at)
		}
	}
	for _, bad := range []query.KeysQuery{{Store: "a", Limit: 1001}, {Store: "a", Cursor: "x"}, {Store: ""}, {Store: "a", Order: "n"}, {Store: "a", Order: "value."}} {
		_, err := w.Keys(t.Context(), nil, bad)
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
	_, err = w.Keys(t.Context(), []string{}, query.KeysQuery{Store: "a"})
	require.ErrorIs(t, err, backend.ErrForbidden)
}

// TestPagesOfOneState: the pages of a list are of the state that the first page was of, whatever is written between them, and a
// cursor is of one list of one log.
func TestPagesOfOneState(t *testing.T) {
	for _, order := range []string{"", "key", "changed", "value.n", "-value.n"} {
		for _, at := range []query.Moment{{}, {ValidNow: true}, {Time: epoch.Add(200 * time.Hour)}, {Seq: 7}} {
			log := memory.New(memory.Options{})
			r := New(log, Options{now: func() time.Time { return epoch }})
			put := func(key, value string) {
				_, err := log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(key, value), Store: "a", Key: key, Value: []byte(value), TransactionTime: epoch})
				require.NoError(t, err)
			}
			for i, key := range []string{"a", "b", "c", "d", "e", "f", "g"} {
				put(key, fmt.Sprintf(`{"n":%d}`, i))
			}
			q := query.KeysQuery{Store: "a", Order: order, At: at, Limit: 2}
			page, err := r.Keys(t.Context(), nil, q)
			require.NoError(t, err)
			for _, x := range page.Records {
				put(x.Fact.Key, "null")
			}
			put("0", `{"n":0}`)
			put("a", `{"n":100}`)
			put("d", `{"n":200}`)
			keys := map[string]string{}
			for first := true; first || q.Cursor != ""; first = false {
				if !first {
					page, err = r.Keys(t.Context(), nil, q)
					require.NoError(t, err)
				}
				require.EqualValues(t, 7, page.Count)
				for _, x := range page.Records {
					require.Empty(t, keys[x.Fact.Key], "twice")
					keys[x.Fact.Key] = string(x.Fact.Value)
				}
				q.Cursor = page.Next
			}
			require.Len(t, keys, 7)
			require.JSONEq(t, `{"n":3}`, keys["d"])

			page, err = r.Keys(t.Context(), nil, q)
			require.NoError(t, err)
			other := q
			q.Cursor, other.Cursor, other.Prefix = page.Next, page.Next, "a"
			_, err = r.Keys(t.Context(), nil, other)
			require.ErrorIs(t, err, backend.ErrInvalid, "of another list")
			moved := q
			moved.At = query.Moment{Seq: 2}
			_, err = r.Keys(t.Context(), nil, moved)
			require.ErrorIs(t, err, backend.ErrInvalid, "of another moment")
			q.Cursor = "99" + q.Cursor
			q.At.Seq = 0
			_, err = r.Keys(t.Context(), nil, q)
			require.ErrorIs(t, err, backend.ErrDiverged, "beyond the log's end")
			require.NoError(t, r.Close())
			require.NoError(t, log.Close())
		}
	}
}

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

// TestLineage: the lineage of a fact is that of an engine over the log, and effects are what has it in its lineage.
func TestLineage(t *testing.T) {
	w := newWorld(t, 50, Options{})
	e, err := store.Open(t.Context(), w.log, store.Options{})
	require.NoError(t, err)
	defer e.Close()
	leads := map[string][]string{}
	for _, f := range w.facts {
		want, err := e.Lineage(f.ID)
		require.NoError(t, err)
		l, err := w.Lineage(t.Context(), nil, query.LineageQuery{ID: f.ID, Depth: -1, Limit: 1000})
		require.NoError(t, err)
		require.Equal(t, want.Proof, l.Proof)
		require.Len(t, l.Facts, len(want.Facts))
		require.True(t, l.Whole && l.Verified)
		require.Empty(t, l.Missing)
		for _, ref := range want.Facts {
			leads[ref.ID] = append(leads[ref.ID], f.ID)
		}
	}
	for _, f := range w.facts {
		l, err := w.Lineage(t.Context(), nil, query.LineageQuery{ID: f.ID, Effects: true, Depth: -1, Limit: 1000})
		require.NoError(t, err)
		var got []string
		for _, ref := range l.Effects.Facts {
			got = append(got, ref.Fact.ID)
		}
		require.Equal(t, leads[f.ID], append([]string{f.ID}, got...))
	}
	missing := 0
	for _, f := range w.facts {
		if f.Store != "a" {
			continue
		}
		l, err := w.Lineage(t.Context(), []string{"a"}, query.LineageQuery{ID: f.ID, Depth: -1, Limit: 1000, Effects: true})
		require.NoError(t, err)
		missing += len(l.Missing)
		for _, ref := range append(l.Facts, l.Effects.Facts...) {
			require.Equal(t, "a", ref.Fact.Store)
		}
	}
	require.Positive(t, missing, "what may not be read is missing")
	l, err := w.Lineage(t.Context(), nil, query.LineageQuery{ID: "f49", Depth: 1})
	require.NoError(t, err)
	require.False(t, l.Whole)
	_, err = w.Lineage(t.Context(), nil, query.LineageQuery{ID: "none"})
	require.ErrorIs(t, err, query.ErrNotFound)
}

// TestLineageOfStores: a fact with the same ID in another store is in no lineage that names its store, and in no answer about
// the other fact.
func TestLineageOfStores(t *testing.T) {
	w := newWorld(t, 0, Options{})
	for _, f := range []backend.Fact{
		{ID: "order", Store: "mine", Key: "o", Value: []byte("1")},
		{ID: "early", Store: "other", Key: "e", Value: []byte("1")},
		{ID: "order", Store: "theirs", Key: "o", Value: []byte(`"planted"`)},
		{ID: "bill", Store: "mine", Key: "b", Value: []byte("2"), Derivation: []byte(`{"rule":"bill","version":1,"sources":["order"],"stores":["mine"]}`)},
		{ID: "bill", Store: "theirs", Key: "b", Value: []byte("3"), Derivation: []byte(`{"rule":"bill","version":1,"sources":["order"],"stores":["theirs"]}`)},
		{ID: "old", Store: "mine", Key: "old", Value: []byte("4"), Derivation: []byte(`{"rule":"bill","version":1,"sources":["order"]}`)},
		{ID: "led", Store: "mine", Key: "led", Value: []byte("5"), Causation: "early"},
		{ID: "early", Store: "theirs", Key: "e", Value: []byte(`"planted"`)},
	} {
		f, err := w.log.WriteFact(t.Context(), f)
		require.NoError(t, err)
		w.facts = append(w.facts, f)
	}
	e, err := store.Open(t.Context(), w.log, store.Options{})
	require.NoError(t, err)
	defer e.Close()
	seqs := func(refs []query.FactRef) (all []uint64) {
		for _, x := range refs {
			all = append(all, x.Fact.Seq)
		}
		return all
	}
	effects := map[uint64][]uint64{1: {4, 6}, 2: {7}, 3: {5}}
	for _, f := range w.facts {
		want, err := e.Lineage(f.ID, f.Store)
		require.NoError(t, err)
		l, err := w.Lineage(t.Context(), nil, query.LineageQuery{ID: f.ID, Store: f.Store, Depth: -1, Limit: -1, Effects: true})
		require.NoError(t, err)
		require.Equal(t, want.Proof, l.Proof, f.Seq)
		require.Equal(t, want.Missing, l.Missing)
		require.Equal(t, effects[f.Seq], seqs(l.Effects.Facts), f.Seq)
		for _, link := range l.Links {
			require.Contains(t, seqs(l.Facts), link.ToSeq)
		}
		v, err := w.Fact(t.Context(), nil, f.Store, f.ID)
		require.NoError(t, err)
		require.Equal(t, f.Seq, v.Fact.Seq)
	}
	for _, id := range []string{"order", "bill", "early"} {
		_, err := w.Fact(t.Context(), nil, "", id)
		require.ErrorIs(t, err, backend.ErrInvalid, id)
		_, err = w.Lineage(t.Context(), nil, query.LineageQuery{ID: id})
		require.ErrorIs(t, err, backend.ErrInvalid, id)
		_, err = w.Fact(t.Context(), []string{"mine", "other"}, "", id)
		require.NoError(t, err, "what may not be read does not count")
	}
	_, err = w.Fact(t.Context(), []string{"mine"}, "theirs", "order")
	require.ErrorIs(t, err, backend.ErrForbidden)
	l, err := w.Lineage(t.Context(), []string{"mine"}, query.LineageQuery{ID: "led", Store: "mine", Depth: -1, Limit: -1})
	require.NoError(t, err)
	require.Equal(t, []string{"early"}, l.Missing)
}

// TestDiff: the keys that differ between each two moments, one by one and together.
func TestDiff(t *testing.T) {
	w := newWorld(t, 200, Options{Memory: -1})
	moments := w.moments()
	for i, from := range moments {
		to := moments[(i*7+3)%len(moments)]
		var want []string
		for k := range 7 {
			key := fmt.Sprint("k/", k)
			var a backend.Fact
			if from.Seq != 0 || !from.Time.IsZero() { // otherwise the empty log
				a = w.value("b", key, from)
			}
			b := w.value("b", key, to)
			had, has := a.Seq != 0 && !a.Retraction(), b.Seq != 0 && !b.Retraction()
			kind := ""
			switch {
			case had && has && a.Seq != b.Seq:
				kind = "changed"
			case had && !has:
				kind = "left"
			case !had && has:
				kind = "entered"
			}
			one, err := w.Diff(t.Context(), nil, query.DiffQuery{Store: "b", Key: &key, From: from, To: to, Limit: 10})
			require.NoError(t, err)
			require.Equal(t, kind != "", len(one.Keys) == 1)
			if kind != "" {
				want = append(want, kind+" "+key)
				require.Equal(t, kind, one.Keys[0].Kind)
			}
		}
		var got []string
		q := query.DiffQuery{Store: "b", From: from, To: to, Limit: 2}
		for {
			d, err := w.Diff(t.Context(), nil, q)
			require.NoError(t, err)
			require.Equal(t, len(want), d.Entered+d.Changed+d.Left)
			for _, k := range d.Keys {
				got = append(got, k.Kind+" "+k.Key)
			}
			if q.Cursor = d.Next; d.Next == "" {
				break
			}
		}
		require.Equal(t, want, got, "%+v %+v", from, to)
	}
}

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

// TestManyLinks: a fact that names very many others costs no more than so many, and the answer says that it is not whole.
func TestManyLinks(t *testing.T) {
	log := memory.New(memory.Options{})
	r := New(log, Options{})
	defer log.Close()
	defer r.Close()
	sources := make([]string, 2*maxLinks+1)
	for i := range sources {
		sources[i] = fmt.Sprint("f", i)
	}
	text, err := json.Marshal(map[string]any{"rule": "r", "sources": sources})
	require.NoError(t, err)
	for id, derivation := range map[string][]byte{"f0": nil, "many": text} {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: id, Store: "a", Key: id, Value: []byte("1"), Derivation: derivation})
		require.NoError(t, err)
	}
	l, err := r.Lineage(t.Context(), nil, query.LineageQuery{ID: "many", Limit: query.MaxFacts})
	require.NoError(t, err)
	require.Len(t, l.Links, maxLinks)
	require.False(t, l.Whole)
	v, err := r.Fact(t.Context(), nil, "a", "many")
	require.NoError(t, err)
	require.Equal(t, len(sources), v.Causes)
	for range 2 {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: "later" + fmt.Sprint(v.Fact.Seq), Store: "a", Key: "l", Value: []byte("1"), Derivation: text})
		require.NoError(t, err)
		v.Fact.Seq++
	}
	l, err = r.Lineage(t.Context(), nil, query.LineageQuery{ID: "f0", Effects: true})
	require.NoError(t, err)
	require.True(t, l.Effects.More)
	require.GreaterOrEqual(t, len(l.Effects.Facts), 2)
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

// TestStores: counts follow the log, also after facts were pruned, and show no other stores.
func TestStores(t *testing.T) {
	w := newWorld(t, 300, Options{})
	check := func() {
		all, err := w.Stores(t.Context(), []string{"a", "c", "none"}, query.StoresQuery{Days: 30})
		require.NoError(t, err)
		require.Len(t, all.Stores, 2)
		sum := uint64(0)
		for _, s := range all.Stores {
			facts, keys, days := uint64(0), map[string]bool{}, uint64(0)
			for _, f := range w.facts {
				if f.Store == s.Store {
					facts++
					keys[f.Key] = !f.Retraction()
				}
			}
			alive := uint64(0)
			for _, has := range keys {
				if has {
					alive++
				}
			}
			for _, n := range s.Days {
				days += n
			}
			require.Equal(t, []uint64{facts, alive, facts}, []uint64{s.Facts, *s.Keys, days}, s.Store)
			sum += facts
		}
		require.Equal(t, sum, all.Facts)
	}
	check()
	f, err := w.log.WriteFact(t.Context(), backend.Fact{ID: "new", Store: "a", Key: "new", Value: []byte("1"), TransactionTime: epoch.Add(299 * time.Hour)})
	require.NoError(t, err)
	w.facts = append(w.facts, f)
	check()
	_, err = w.log.Prune(t.Context(), slices.Values([]uint64{3, 4, 5, 6}), backend.Horizon{Seq: 7, Time: epoch.Add(3 * time.Hour)})
	require.NoError(t, err)
	w.facts = slices.DeleteFunc(w.facts, func(f backend.Fact) bool { return f.Seq >= 3 && f.Seq <= 6 })
	check()
	for i := range 5 { // the same, when the store is in memory
		_, err = w.Get(t.Context(), nil, "a", "k/1", query.Moment{Seq: 2})
		require.ErrorIs(t, err, backend.ErrCompacted, i)
	}
	_, err = w.Histogram(t.Context(), nil, query.HistogramQuery{AtSeq: 5})
	require.ErrorIs(t, err, backend.ErrCompacted, "the facts that were there are not counted")
	_, err = w.Histogram(t.Context(), nil, query.HistogramQuery{AtSeq: 7})
	require.NoError(t, err)
	h, err := w.History(t.Context(), nil, query.HistoryQuery{Store: "a", Key: "k/1"})
	require.NoError(t, err)
	require.False(t, h.Whole)
	require.NotNil(t, h.Horizon)
}

// TestOtherAccess: a reader of a log that is given other stores to read counts them from the beginning.
func TestOtherAccess(t *testing.T) {
	log, access := memory.New(memory.Options{}), []string{"a"}
	r := New(backend.Intercept(log, backend.Hooks{
		Features: func(f backend.Features) backend.Features {
			f.Stores = access
			return f
		},
		Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			if r.Stores == nil {
				r.Stores = access
			}
			for _, store := range r.Stores {
				if access != nil && !slices.Contains(access, store) {
					return func(yield func(backend.Page, error) bool) { yield(backend.Page{}, backend.ErrForbidden) }
				}
			}
			return next(ctx, r)
		},
		Stats: func(ctx context.Context, next func(context.Context) (backend.Stats, error)) (backend.Stats, error) {
			s, err := next(ctx)
			s.Facts = 0
			return s, err
		},
	}), Options{})
	defer log.Close()
	defer r.Close()
	for _, store := range []string{"a", "b"} {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: store, Store: store, Key: "k", Value: []byte("1")})
		require.NoError(t, err)
	}
	_, err := r.Get(t.Context(), nil, "b", "k", query.Moment{})
	require.ErrorIs(t, err, backend.ErrForbidden)
	for _, access = range [][]string{{"a", "b"}, nil} {
		_, err = r.Get(t.Context(), nil, "b", "k", query.Moment{})
		require.NoError(t, err)
	}
}

// TestManyStores: a list of many stores comes in pages of bounded size.
func TestManyStores(t *testing.T) {
	log := memory.New(memory.Options{})
	batch := backend.Batch{}
	for i := range 1500 {
		batch.Facts = append(batch.Facts, backend.Fact{ID: fmt.Sprint(i), Store: fmt.Sprintf("s%04d", i), Key: "k", Value: []byte("1")})
	}
	require.NoError(t, log.Write(t.Context(), batch)[0].Err)
	r := New(log, Options{})
	defer log.Close()
	defer r.Close()
	var names []string
	q, pages := query.StoresQuery{Days: 366}, 0
	for next := true; next; next = q.After != "" {
		all, err := r.Stores(t.Context(), nil, q)
		require.NoError(t, err)
		require.EqualValues(t, 1500, all.Facts)
		require.Equal(t, all.Next != "", all.More)
		text, err := json.Marshal(all)
		require.NoError(t, err)
		require.Less(t, len(text), query.MaxAnswer)
		for _, s := range all.Stores {
			names = append(names, s.Store)
		}
		q.After = all.Next
		pages++
	}
	require.Len(t, names, 1500)
	require.True(t, slices.IsSorted(names))
	require.Equal(t, 2, pages)
}

// TestMemory: stores are kept within the budget; what does not fit is asked for, or refused.
func TestMemory(t *testing.T) {
	log := memory.New(memory.Options{})
	large := []byte(strconv.Quote(fmt.Sprintf("%0100000d", 0)))
	for _, store := range []string{"a", "b"} {
		for i := range 20 { // 2 MiB
			_, err := log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(store, i), Store: store, Key: fmt.Sprint(i), Value: large})
			require.NoError(t, err)
		}
	}
	r := New(log, Options{Memory: 3 << 20})
	defer log.Close()
	defer r.Close()
	var cost *query.NotLoadedError
	_, err := r.Keys(t.Context(), nil, query.KeysQuery{Store: "a"})
	require.ErrorAs(t, err, &cost)
	require.EqualValues(t, 20, cost.Facts)
	for _, store := range []string{"a", "b"} {
		k, err := r.Keys(t.Context(), nil, query.KeysQuery{Store: store, Load: true})
		require.NoError(t, err)
		require.Equal(t, 20, k.Count)
		require.Equal(t, len(large), k.Records[0].ValueBytes)
		require.Len(t, r.Loaded(), 1, "the other one made room")
		require.Equal(t, store, r.Loaded()[0].Store)
	}
	for i := range 4 {
		v, err := r.Get(t.Context(), nil, "a", fmt.Sprint(i), query.Moment{})
		require.NoError(t, err)
		require.JSONEq(t, string(large), string(v.Fact.Value))
		require.Equal(t, "b", r.Loaded()[0].Store, "reads of keys push nobody out")
	}
	small := New(log, Options{Memory: 1 << 20})
	defer small.Close()
	_, err = small.Keys(t.Context(), nil, query.KeysQuery{Store: "a", Load: true})
	require.ErrorIs(t, err, backend.ErrTooLarge)
}

// TestOften: a store that is asked often is in memory from then on, and shows what is written at once.
func TestOften(t *testing.T) {
	w := newWorld(t, 30, Options{})
	for range 9 {
		_, err := w.Get(t.Context(), nil, "none", "k", query.Moment{})
		require.ErrorIs(t, err, query.ErrNotFound)
		k, err := w.Keys(t.Context(), nil, query.KeysQuery{Store: "none", Load: true, Facets: []string{"x"}})
		require.NoError(t, err)
		require.Equal(t, []uint64{30, 30, 0}, []uint64{k.Seq, k.Place.Seq, uint64(k.Keys)})
		require.Contains(t, k.Facets, "x")
		d, err := w.Diff(t.Context(), nil, query.DiffQuery{Store: "none", Load: true, From: query.Moment{Seq: 3}})
		require.NoError(t, err)
		require.Zero(t, d.Entered)
	}
	require.Empty(t, w.stores, "a store that does not exist takes no memory")
	for i := 0; len(w.Loaded()) == 0; i++ {
		_, err := w.Get(t.Context(), nil, "a", "k/1", query.Moment{})
		if err != nil {
			require.ErrorIs(t, err, query.ErrNotFound)
		}
	}
	for i := range 20 {
		_, err := w.log.WriteFact(context.Background(), backend.Fact{ID: fmt.Sprint("x", i), Store: "a", Key: "k", Value: fmt.Appendf(nil, "%d", i)})
		require.NoError(t, err)
		v, err := w.Get(t.Context(), nil, "a", "k", query.Moment{})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(v.Fact.Value))
	}
	var asJSON map[string]any
	text, err := json.Marshal(query.Record{Fact: w.facts[0], Version: 2})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &asJSON))
	require.Equal(t, "2026-01-01T00:00:00Z", asJSON["time"])
}
