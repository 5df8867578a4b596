// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// TestPlantedIDs: facts that have the IDs of another store's facts change no lineage of those, whether they come before or
// after them, and an ID alone does not name one of several.
func TestPlantedIDs(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	require.NoError(t, e.AddRule(store.Rule{Name: "copy", Source: "tasks", Derive: func(_ context.Context, source store.Record) (store.Derived, error) {
		return store.Derived{
			Facts: []backend.Fact{{Store: "copies", Key: source.Key(), Value: source.Value()}},
			From:  []store.Source{{Store: "prices", ID: "price"}},
		}, nil
	}}))
	put := func(id, name string) {
		_, err := e.Write(t.Context(), backend.Fact{ID: id, Store: name, Key: "k", Value: []byte(`1`)})
		require.NoError(t, err)
	}
	put("price", "aaa") // planted before
	put("price", "prices")
	put("one", "tasks")
	put("two", "tasks")
	copied, _ := e.Get("copies", "k")
	before, err := e.Lineage(copied.ID(), "copies")
	require.NoError(t, err)
	for _, name := range []string{"aaa", "zzz"} {
		for _, id := range []string{"one", "two", copied.ID()} {
			put(id, name)
		}
	}
	after, err := e.Lineage(copied.ID(), "copies")
	require.NoError(t, err)
	require.Equal(t, before, after)
	for _, f := range after.Facts {
		require.NotContains(t, []string{"aaa", "zzz"}, f.Store)
	}
	require.NoError(t, e.VerifyLineage(before))
	require.NoError(t, openEngine(t, l).VerifyLineage(before))
	require.Len(t, e.Causes(copied), 2)

	_, err = e.FactByID("one")
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.ErrorContains(t, err, "name the store")
	r, err := e.FactByID("one", "tasks")
	require.NoError(t, err)
	require.Equal(t, "tasks", r.Store())
	_, err = e.FactByID("one", "prices", "copies")
	require.ErrorIs(t, err, store.ErrNotFound)

	// A lineage that names a planted fact instead does not pass.
	forged := before
	forged.Facts = append([]store.FactRef(nil), before.Facts...)
	planted, err := e.FactByID("price", "aaa")
	require.NoError(t, err)
	for i := range forged.Facts {
		if forged.Facts[i].ID == "price" {
			forged.Facts[i] = refOf(planted)
		}
	}
	require.ErrorIs(t, e.VerifyLineage(forged), backend.ErrCorrupt)
}

// TestRuleWithTwoTargets: two processes whose rule has the same name, and writes to different stores, derive once from each
// source, though IDs are of a store.
func TestRuleWithTwoTargets(t *testing.T) {
	l := newLog(t)
	to := func(target string) store.Rule {
		return store.Rule{Name: "r", Source: "tasks", Derive: func(_ context.Context, source store.Record) (store.Derived, error) {
			return store.Derived{Facts: []backend.Fact{{Store: target, Key: source.ID(), Value: []byte(`1`)}}}, nil
		}}
	}
	one, two := openEngine(t, l), openEngine(t, l)
	require.NoError(t, one.AddRule(to("one")))
	require.NoError(t, two.AddRule(to("two")))
	var sources []string
	for _, id := range []string{"a", "b", "c", "d"} {
		sources = append(sources, id)
		source, err := l.WriteFact(t.Context(), backend.Fact{ID: id, Store: "tasks", Key: "k", Value: []byte(`1`)})
		require.NoError(t, err)
		done := make(chan error, 2)
		for _, e := range []*store.Engine{one, two} {
			require.NoError(t, e.WaitFor(t.Context(), source.Seq))
			r, err := e.FactByID(id, "tasks")
			require.NoError(t, err)
			go func() { done <- e.Derive(t.Context(), r) }()
		}
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		require.NoError(t, one.Sync(t.Context()))
		require.Equal(t, sources, sorted(append(keysIn(one, "one"), keysIn(one, "two")...)))
	}
	require.NoError(t, two.Rederive(t.Context()))
	require.NoError(t, one.Sync(t.Context()))
	require.Len(t, append(keysIn(one, "one"), keysIn(one, "two")...), 4)
}

func sorted(all []string) []string {
	slices.Sort(all)
	return all
}
