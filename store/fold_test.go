// SPDX-License-Identifier: Apache-2.0

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

// A fold can be read inside its own read, and inside the read of another fold.
func TestFoldsInFolds(t *testing.T) {
	e := openEngine(t, newLog(t))
	count := func(n int, _ store.Record) int { return n + 1 }
	a, b := store.NewFold(e, 0, count, "s"), store.NewFold(e, 0, count, "s")
	ctx := t.Context()
	var seen []int
	require.NoError(t, a.Read(ctx, func(n int, seq uint64) {
		seen = append(seen, n)
		_, err := e.Write(ctx, fact("k", 1))
		require.NoError(t, err)
		require.NoError(t, a.Read(ctx, func(n int, seq uint64) { seen = append(seen, n, int(seq)) }))
		require.NoError(t, b.Read(ctx, func(n int, seq uint64) {
			seen = append(seen, n)
			require.NoError(t, a.Read(ctx, func(n int, seq uint64) { seen = append(seen, n) }))
		}))
	}))
	require.Equal(t, []int{0, 0, 0, 1, 0}, seen)
	require.NoError(t, a.Read(ctx, func(n int, seq uint64) { require.Equal(t, []int{1, 1}, []int{n, int(seq)}) }))

	var err error
	var c *store.Fold[int]
	c = store.NewFold(e, 0, func(n int, _ store.Record) int {
		err = c.Read(ctx, func(int, uint64) {})
		return n + 1
	}, "s")
	require.NoError(t, c.Read(ctx, func(n int, _ uint64) { require.Equal(t, 1, n) }))
	require.ErrorContains(t, err, "a step reads a fold")

	// Folds read each other from several goroutines, while facts are written.
	done := make(chan error)
	for i := range 4 {
		x, y := a, b
		if i%2 == 0 {
			x, y = b, a
		}
		go func() {
			for n := range 50 {
				_, err := e.Write(ctx, fact(fmt.Sprint(i), n))
				if err == nil {
					err = x.Read(ctx, func(int, uint64) { err = y.Read(ctx, func(int, uint64) {}) })
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		require.NoError(t, <-done)
	}
}
