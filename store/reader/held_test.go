// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/query"
)

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
