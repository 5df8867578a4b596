package store_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// What somebody prunes behind the engines' backs does not keep them from writing.
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
				_, err = l.Prune(t.Context(), slices.Values(pruned))
				require.NoError(t, err)
				_, err = e.WriteIf(t.Context(), old.ID(), fact("k", 4))
				require.ErrorIs(t, err, backend.ErrConflict)
				var held []backend.Fact
				for f, err := range l.Replay(t.Context(), 0) {
					require.NoError(t, err)
					held = append(held, f)
				}
				require.Equal(t, held, factsOf(e.Facts("s", 0)))
				require.Equal(t, len(factsOf(e.List("s", store.Query{}))), scope.Count(), "the scope sees it too")
				written, err := e.WriteIf(t.Context(), e.Latest("s", "k").ID(), fact("k", 4))
				require.NoError(t, err)
				_, err = l.Prune(t.Context(), slices.Values([]uint64{written.Seq}))
				require.NoError(t, err)
				calls := 0
				_, err = e.Update(t.Context(), "s", "k", func(store.Record) (backend.Fact, error) { calls++; return fact("", 5), nil })
				require.NoError(t, err)
				require.Equal(t, 2, calls)
			})
		}
	}
}

// A rule whose target was pruned behind the engine's back comes to its end.
func TestDerivingWhatWasPruned(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	require.NoError(t, e.AddRule(totals(e)))
	for n := range 2 {
		if n == 1 {
			_, err := l.Prune(t.Context(), slices.Values([]uint64{2}))
			require.NoError(t, err)
		}
		_, err := e.Write(t.Context(), lineOf(fmt.Sprint("l", n), "o", 1))
		require.NoError(t, err)
	}
	r, ok := e.Get("totals", "o")
	require.True(t, ok)
	require.Equal(t, "2", string(r.Value()))
}

// A hiding backend keeps a fact back from those who read, which is a mistake.
type hiding struct {
	*memory.Log
	seq uint64
}

func (h *hiding) hide(facts iter.Seq2[backend.Fact, error]) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for f, err := range facts {
			if f.Seq != h.seq && !yield(f, err) {
				return
			}
		}
	}
}

func (h *hiding) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return h.hide(h.Log.Replay(ctx, after))
}

func (h *hiding) Follow(ctx context.Context, after uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	return h.hide(h.Log.Follow(ctx, after, stores...))
}

// Conflicts that no reading explains end.
func TestConflictsWithoutEnd(t *testing.T) {
	l := newLog(t)
	for n := range 3 {
		_, err := l.WriteFact(t.Context(), withID(fact("k", n), fmt.Sprint(n)))
		require.NoError(t, err)
	}
	h := &hiding{l, 3}
	e := openEngine(t, h)
	_, err := e.Update(t.Context(), "s", "k", func(store.Record) (backend.Fact, error) { return fact("", 5), nil })
	require.ErrorContains(t, err, "but does not show it")
	require.NotErrorIs(t, err, backend.ErrConflict)
}
