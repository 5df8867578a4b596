// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Facts that are pruned without a receipt do not keep engines from writing.
func TestPrunedWithoutReceipt(t *testing.T) {
	for name, pruned := range map[string][]uint64{"all": {1, 2, 3}, "the latest": {3}} {
		for _, keep := range []int{0, 1} {
			t.Run(fmt.Sprint(name, keep), func(t *testing.T) {
				l := newLog(t)
				e, err := store.Open(t.Context(), l, store.Options{KeepVersions: keep})
				require.NoError(t, err)
				defer e.Close()
				scope, err := e.Scope("s", "all", store.Filter{})
				require.NoError(t, err)
				for n := range 3 {
					_, err := e.Write(t.Context(), fact("k", n))
					require.NoError(t, err)
				}
				_, err = e.Write(t.Context(), fact("other", 1))
				require.NoError(t, err)
				require.Equal(t, 2, scope.Count())
				old := e.Latest("s", "k")
				_, err = l.Prune(t.Context(), slices.Values(pruned), backend.Horizon{})
				require.NoError(t, err)
				_, err = e.WriteIf(t.Context(), old.ID(), fact("k", 4))
				require.ErrorIs(t, err, backend.ErrConflict)
				require.Equal(t, logged(t, l), factsOf(e.Facts(t.Context(), "s", 0)))
				require.Equal(t, len(factsOf(e.List(t.Context(), "s", store.Query{}))), scope.Count(), "the scope sees it too")
				written, err := e.WriteIf(t.Context(), e.Latest("s", "k").ID(), fact("k", 4))
				require.NoError(t, err)
				_, err = l.Prune(t.Context(), slices.Values([]uint64{written.Seq}), backend.Horizon{})
				require.NoError(t, err)
				calls := 0
				_, err = e.Update(t.Context(), "s", "k", func(store.Record) (backend.Fact, error) { calls++; return fact("", 5), nil })
				require.NoError(t, err)
				require.Equal(t, 2, calls)
			})
		}
	}
}

// A rule ends although its target was pruned without a receipt.
func TestDerivingWhatWasPruned(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	require.NoError(t, e.AddRule(totals(e)))
	for n := range 2 {
		if n == 1 {
			_, err := l.Prune(t.Context(), slices.Values([]uint64{2}), backend.Horizon{})
			require.NoError(t, err)
		}
		_, err := e.Write(t.Context(), lineOf(fmt.Sprint("l", n), "o", 1))
		require.NoError(t, err)
	}
	r, ok := e.Get("totals", "o")
	require.True(t, ok)
	require.Equal(t, "2", string(r.Value()))
}

// A conflict that reading the log does not explain is an error: the log keeps a fact back from readers, which is a bug.
func TestConflictsWithoutEnd(t *testing.T) {
	l := newLog(t)
	for n := range 3 {
		_, err := l.WriteFact(t.Context(), withID(fact("k", n), fmt.Sprint(n)))
		require.NoError(t, err)
	}
	hiding := reads(l, func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		return eachPage(next(ctx, r), func(p *backend.Page) error {
			p.Facts = slices.DeleteFunc(p.Facts, func(f backend.Fact) bool { return f.Seq == 3 })
			return nil
		})
	})
	e := openEngine(t, hiding)
	_, err := e.Update(t.Context(), "s", "k", func(store.Record) (backend.Fact, error) { return fact("", 5), nil })
	require.ErrorContains(t, err, "but does not show it")
	require.NotErrorIs(t, err, backend.ErrConflict)
}
