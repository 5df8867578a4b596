package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func TestFolds(t *testing.T) {
	l := newLog(t)
	e, other := openEngine(t, l), openEngine(t, l)
	sum := store.NewFold(e, []string(nil), func(all []string, r store.Record) []string { return append(all, r.Store()+string(r.Value())) }, "a", "b")
	want := []string(nil)
	for i := range 20 {
		name := []string{"a", "b", "c"}[i%3]
		f, err := other.Write(t.Context(), backend.Fact{Store: name, Key: "k", Value: fmt.Append(nil, i)})
		require.NoError(t, err)
		if name != "c" {
			want = append(want, fmt.Sprint(name, i))
		}
		if i%4 == 0 {
			require.NoError(t, e.WaitFor(t.Context(), f.Seq))
			require.NoError(t, sum.Read(t.Context(), func(all []string, seq uint64) {
				require.Equal(t, want, all)
				require.Equal(t, f.Seq, seq)
			}))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, e.WaitFor(ctx, 99), context.Canceled)
	require.NoError(t, sum.Read(t.Context(), func([]string, uint64) {
		require.ErrorIs(t, sum.Read(ctx, nil), context.Canceled, "it is being read")
	}))

	none, err := store.Open(t.Context(), l, store.Options{Stores: []string{"a"}})
	require.NoError(t, err)
	defer none.Close()
	count := store.NewFold(none, 0, func(n int, _ store.Record) int { return n + 1 }, "a", "b")
	require.ErrorIs(t, count.Read(t.Context(), func(int, uint64) {}), store.ErrNotLoaded)
	require.NoError(t, none.Load(t.Context(), "b"))
	require.NoError(t, count.Read(t.Context(), func(n int, _ uint64) { require.Len(t, want, n) }))
}
