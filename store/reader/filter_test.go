// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/query"
)

// TestFilter: a filter has what it was made of, and little else.
func TestFilter(t *testing.T) {
	c := newCatalog(memory.New(memory.Options{}))
	defer c.log.Close()
	hash := func(i int) uint64 { return c.hash(withID, "", fmt.Sprint(i)) }
	var all []uint64
	for i := range 8000 {
		all = append(all, hash(i))
	}
	f, wrong := newFilter(0, 9, all), 0
	for i := range 8000 {
		require.True(t, f.has(hash(i)))
		if f.has(hash(8000 + i)) {
			wrong++
		}
	}
	require.Less(t, wrong, 80)
	none := newFilter(0, 9, nil)
	require.False(t, none.has(1))
}

// TestFewRead: what is asked about one key or fact of a large log reads a small part of it, once the log was read.
func TestFewRead(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	var batch []backend.Fact
	for i := range 40_000 {
		f := backend.Fact{ID: fmt.Sprint("f", i), Store: "a", Key: fmt.Sprint("k", i), Value: []byte("1")}
		if i%10_000 == 100 {
			f.Key = "rare"
		}
		if i == 30_000 {
			f.Derivation = []byte(`{"rule":"r","version":1,"sources":["f100"]}`)
		}
		if batch = append(batch, f); len(batch) == 1000 {
			require.NoError(t, log.Write(t.Context(), backend.Batch{Facts: batch})[0].Err)
			batch = nil
		}
	}
	var read atomic.Int64
	r := New(backend.Intercept(log, backend.Hooks{Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		return func(yield func(backend.Page, error) bool) {
			for p, err := range next(ctx, r) {
				read.Add(int64(len(p.Facts)))
				if !yield(p, err) {
					return
				}
			}
		}
	}}), Options{Memory: 1}) // no store gets into memory
	defer r.Close()
	_, err := r.Stores(t.Context(), nil, query.StoresQuery{})
	require.NoError(t, err)
	require.EqualValues(t, 40_000, read.Load())
	for name, ask := range map[string]func() error{
		"value": func() error { _, err := r.Get(t.Context(), nil, "a", "rare", query.Moment{Seq: 20_000}); return err },
		"history": func() error {
			_, err := r.History(t.Context(), nil, query.HistoryQuery{Store: "a", Key: "rare"})
			return err
		},
		"fact": func() error { _, err := r.Fact(t.Context(), nil, "", "f100"); return err },
		"lineage": func() error {
			l, err := r.Lineage(t.Context(), nil, query.LineageQuery{ID: "f30000"})
			require.Len(t, l.Facts, 2)
			return err
		},
		"effects": func() error {
			l, err := r.Lineage(t.Context(), nil, query.LineageQuery{ID: "f100", Effects: true})
			require.Len(t, l.Effects.Facts, 3) // what was derived, and the next two of the key
			return err
		},
	} {
		read.Store(0)
		require.NoError(t, ask(), name)
		require.Less(t, read.Load(), int64(25_000), name)
	}
	_, err = r.Fact(t.Context(), nil, "", "none")
	require.ErrorIs(t, err, query.ErrNotFound)
}

// TestKnownKeys: beyond the limit, the store with the most keys alone has them no longer counted.
func TestKnownKeys(t *testing.T) {
	w := newWorld(t, 0, Options{})
	w.catalog.limits.keys = 10
	for i := range 12 {
		store := []string{"large", "large", "small"}[i%3]
		_, err := w.log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: store, Key: fmt.Sprint(i), Value: []byte("1")})
		require.NoError(t, err)
	}
	all, err := w.Stores(t.Context(), nil, query.StoresQuery{})
	require.NoError(t, err)
	require.Nil(t, all.Stores[0].Keys)
	require.EqualValues(t, 4, *all.Stores[1].Keys)
}

// TestLetGo: a store that is let go of while it is read answers as of its seq, or is read again.
func TestLetGo(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	r := New(log, Options{Memory: 3 << 19}) // room for one store
	defer r.Close()
	write := func(store string, n int) {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(store, n), Store: store, Key: "k", Value: fmt.Appendf(nil, `{"n":%d}`, n)})
		require.NoError(t, err)
	}
	stores := []string{"a", "b"}
	for _, s := range stores {
		write(s, 0)
	}
	var reading sync.WaitGroup
	answered := make(chan query.Keys, 1000)
	for i := range 4 {
		reading.Go(func() {
			for range 50 {
				k, err := r.Keys(t.Context(), nil, query.KeysQuery{Store: stores[i%2], Load: true})
				if err != nil {
					require.ErrorIs(t, err, backend.ErrUnavailable)
					continue
				}
				answered <- k
			}
		})
	}
	for n := range 200 {
		write(stores[n%2], n+1)
	}
	reading.Wait()
	close(answered)
	for k := range answered {
		require.Equal(t, k.Seq, k.Place.Seq)
		want := uint64(0) // the seq of the store's latest fact then: a has the odd ones
		if want = k.Seq; (k.Seq%2 == 1) != (k.Store == "a") {
			want--
		}
		require.Equal(t, want, k.Records[0].Fact.Seq, k.Store)
	}
}

// TestOnce: a Reader for a question or two gives the same answers as one that knows where facts are.
func TestOnce(t *testing.T) {
	w := newWorld(t, 200, Options{Memory: -1})
	once := New(w.log, Options{Memory: -1, Once: true, now: w.opts.now})
	defer once.Close()
	facts := func(r *Reader, q query.FactsQuery) (all []query.Version) {
		_, found, err := r.Facts(t.Context(), nil, q)
		require.NoError(t, err)
		for v, err := range found {
			require.NoError(t, err)
			v.Fact = v.Fact.Clone()
			all = append(all, v)
		}
		return all
	}
	key := "k/3"
	for i := range 200 {
		id := fmt.Sprint("f", i)
		a, err := w.Lineage(t.Context(), nil, query.LineageQuery{ID: id, Effects: true, Values: true})
		require.NoError(t, err)
		b, err := once.Lineage(t.Context(), nil, query.LineageQuery{ID: id, Effects: true, Values: true})
		require.NoError(t, err)
		require.Equal(t, a, b)
		since := epoch.Add(time.Duration(i/2) * time.Hour)
		for _, q := range []query.FactsQuery{{Since: since}, {Since: since, Reverse: true, Limit: 7, Changes: true}, {Until: since, Filter: query.Filter{Stores: []string{"a"}, Key: &key}}} {
			require.Equal(t, facts(w.Reader, q), facts(once, q), "%+v", q)
		}
	}
	require.Zero(t, once.catalog.through)
}
