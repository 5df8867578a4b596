// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/query"
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
