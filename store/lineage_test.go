// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

func refOf(r store.Record) store.FactRef {
	f := r.Fact()
	return store.RefOf(&f)
}

func TestLineage(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	require.NoError(t, e.AddRule(totals(e)))
	for i, price := range []int{1, 2, 3} {
		_, err := e.Write(t.Context(), lineOf(fmt.Sprint("l", i%2), "o", price))
		require.NoError(t, err)
	}
	r, _ := e.Get("totals", "o")
	require.Equal(t, "5", string(r.Value()))
	require.Equal(t, uint64(8), r.Seq())
	lineage, err := e.Lineage(r.ID())
	require.NoError(t, err)
	require.Len(t, lineage.Facts, 6)
	require.Equal(t, refOf(r), lineage.Facts[5])
	require.Empty(t, lineage.Missing)
	require.NoError(t, e.VerifyLineage(lineage))
	chain := e.Causes(r)
	require.Len(t, chain, 3)
	require.Equal(t, refOf(r), chain[2])
	require.Equal(t, uint64(3), chain[0].Seq)

	text, err := json.Marshal(lineage) // it can be kept, and checked elsewhere
	require.NoError(t, err)
	var kept store.Lineage
	require.NoError(t, json.Unmarshal(text, &kept))
	require.NoError(t, openEngine(t, l).VerifyLineage(kept))
	kept.Facts[1].Producer = []byte(`"someone else"`)
	require.ErrorIs(t, e.VerifyLineage(kept), backend.ErrCorrupt)
	kept.Facts = lineage.Facts[1:]
	require.ErrorIs(t, e.VerifyLineage(kept), backend.ErrCorrupt)

	// Nor does one pass that leaves out, or is said to miss, what is there, though its proof is its own.
	for _, change := range []func(l *store.Lineage){
		func(l *store.Lineage) { l.Facts = l.Facts[1:] },
		func(l *store.Lineage) { l.Missing, l.Facts = []string{l.Facts[0].ID}, l.Facts[1:] },
		func(l *store.Lineage) { l.Missing = []string{l.Facts[0].ID} },
	} {
		forged := lineage
		change(&forged)
		sum := sha256.New()
		for _, f := range forged.Facts {
			form, err := wire.AppendCanonical(nil, must(json.Marshal(f)))
			require.NoError(t, err)
			sum.Write(form)
		}
		forged.Proof = hex.EncodeToString(sum.Sum(nil))
		require.ErrorIs(t, e.VerifyLineage(forged), backend.ErrCorrupt)
	}

	require.NoError(t, e.Retain("lines", store.Retention{Versions: 1}))
	_, err = e.Compact(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, e.VerifyLineage(lineage), backend.ErrCorrupt, "what was pruned can't be proved")
	less, err := e.Lineage(r.ID())
	require.NoError(t, err)
	require.Equal(t, []string{lineage.Facts[0].ID}, less.Missing)
	require.NoError(t, e.VerifyLineage(less))

	forged, err := e.Import(t.Context(), backend.Fact{ID: "x", Store: "s", Key: "k", Value: []byte("1"), ValueHash: "not this"})
	require.NoError(t, err)
	r, _ = e.FactByID(forged.ID)
	lineage, err = e.Lineage(r.ID())
	require.NoError(t, err)
	require.ErrorContains(t, e.VerifyLineage(lineage), "has a value with the hash")
}
