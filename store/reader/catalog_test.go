// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/query"
)

// newCounted returns a Reader of a log with 900 facts of store a and 100 of store b, and how many facts were read from it.
func newCounted(t *testing.T) (*Reader, backend.Log, *int) {
	log, read := memory.New(memory.Options{}), new(int)
	var batch []backend.Fact
	for i := range 1000 {
		batch = append(batch, backend.Fact{ID: fmt.Sprint(i), Store: map[bool]string{true: "b", false: "a"}[i%10 == 0], Key: fmt.Sprint(i), Value: []byte("1")})
	}
	for some := range slices.Chunk(batch, 50) {
		require.NoError(t, log.Write(t.Context(), backend.Batch{Facts: some})[0].Err)
	}
	r := New(backend.Intercept(log, backend.Hooks{Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		return func(yield func(backend.Page, error) bool) {
			for p, err := range next(ctx, r) {
				if *read += len(p.Facts); !yield(p, err) {
					return
				}
			}
		}
	}}), Options{Memory: 1})
	r.catalog.limits.perFilter, r.catalog.limits.perPart = 50, 100
	t.Cleanup(func() {
		require.NoError(t, r.Close())
		require.NoError(t, log.Close())
	})
	return r, log, read
}

func requireCounts(t *testing.T, r *Reader, facts ...uint64) {
	t.Helper()
	all, err := r.Stores(t.Context(), nil, query.StoresQuery{})
	require.NoError(t, err)
	for i, s := range all.Stores {
		require.Equal(t, facts[i], s.Facts, s.Store)
		require.Equal(t, facts[i], *s.Keys, s.Store)
	}
}

// TestRecount: after facts of a store were pruned, that store alone is counted again, and nothing to find a fact.
func TestRecount(t *testing.T) {
	r, log, read := newCounted(t)
	requireCounts(t, r, 900, 100)
	require.Equal(t, 1000, *read)
	prune := func(h backend.Horizon, seqs ...uint64) {
		_, err := log.Prune(t.Context(), slices.Values(seqs), h)
		require.NoError(t, err)
	}
	prune(backend.Horizon{}, 1, 11) // of b

	*read = 0
	_, err := r.Get(t.Context(), nil, "a", "501", query.Moment{})
	require.NoError(t, err)
	require.Less(t, *read, 200)
	for i, store := range []string{"a", "b", "c"} {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("new", i), Store: store, Key: "new", Value: []byte("1")})
		require.NoError(t, err)
	}
	_, err = r.Get(t.Context(), nil, "b", "new", query.Moment{}) // the catalog takes them in before it counts b again
	require.NoError(t, err)
	*read = 0
	requireCounts(t, r, 901, 99, 1)
	require.Equal(t, 99, *read)

	*read = 0
	prune(backend.Horizon{Seq: 21, Time: time.Unix(1, 0)}, 21) // b's horizon stays: nothing says of which store the fact was
	requireCounts(t, r, 901, 98, 1)
	require.Equal(t, 1000, *read)
}

// TestPace: in the background the log is read in parts with rests between them, and those who ask meanwhile do not wait for these.
func TestPace(t *testing.T) {
	r, log, read := newCounted(t)
	rests := 0
	r.rest = func(d time.Duration) {
		if rests++; rests == 3 {
			require.Equal(t, 300, *read)
			requireCounts(t, r, 900, 100)
			_, err := log.Prune(t.Context(), slices.Values([]uint64{1}), backend.Horizon{})
			require.NoError(t, err)
		}
		require.Positive(t, d)
	}
	require.NoError(t, r.catalog.readSlowly(t.Context(), r.rest, func() {}))
	require.Equal(t, 1000+99, *read)
	require.Equal(t, 3+9, rests)
	require.Nil(t, r.Counted())
	r.work.Wait()
	require.Len(t, r.Counted(), 2)
}

// TestCountedWhileTheLogGrows: the count in the background ends although more is written during each rest than was read before
// it, at first and after facts were pruned.
func TestCountedWhileTheLogGrows(t *testing.T) {
	r, log, _ := newCounted(t)
	n := 0
	r.rest = func(time.Duration) {
		batch := make([]backend.Fact, 250)
		for i := range batch {
			batch[i] = backend.Fact{ID: fmt.Sprint("more", n, i), Store: "a", Key: "more", Value: []byte("1")}
		}
		if n++; n > 100 {
			return // it would go on for ever
		}
		require.NoError(t, log.Write(t.Context(), backend.Batch{Facts: batch})[0].Err)
	}
	b := uint64(100)
	for range 2 {
		n = 0
		r.Counted()
		r.work.Wait()
		require.Less(t, n, 100)
		require.Len(t, r.counted, 2)
		require.GreaterOrEqual(t, r.counted[0].Facts, uint64(900))
		require.Equal(t, b, r.counted[1].Facts)
		_, err := log.Prune(t.Context(), slices.Values([]uint64{1}), backend.Horizon{Seq: 1}) // of b
		require.NoError(t, err)
		b = 99
	}
}
