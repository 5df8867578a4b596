// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/store"
)

// TestLineage: a reader and an engine give the same lineage of a fact, and its effects are the facts that have it in
// their lineage.
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
