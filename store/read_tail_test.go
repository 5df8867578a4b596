// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A tail that must read the log waits for trouble that passes, and misses nothing. Another error ends it, and so does Close.
func TestTailWaitsForTheLog(t *testing.T) {
	t.Cleanup(store.SetMinSurplus(4))
	l := newLog(t)
	for n := range 100 {
		_, err := l.WriteFact(t.Context(), withID(fact("k", n), fmt.Sprint(n)))
		require.NoError(t, err)
	}
	var trouble atomic.Pointer[error]
	var tries atomic.Int32
	asked := make(chan struct{}, 1)
	e, err := store.Open(t.Context(), followed{reads(l, func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		err := trouble.Load()
		if err == nil {
			return next(ctx, r)
		}
		if tries.Add(1) == 1 {
			trouble.Store(nil)
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		return func(yield func(backend.Page, error) bool) { yield(backend.Page{}, *err) }
	}), l.Follow}, store.Options{KeepVersions: 1})
	require.NoError(t, err)
	defer e.Close()
	for _, passing := range []error{backend.ErrUnauthenticated, backend.ErrUnavailable} {
		tries.Store(0)
		trouble.Store(&passing)
		seq := uint64(0)
		for r, err := range e.Tail(t.Context(), "s", 0) {
			require.NoError(t, err)
			seq++
			require.Equal(t, seq, r.Seq())
			if seq == 100 {
				break
			}
		}
	}
	require.EqualValues(t, 1, tries.Load(), "the log was asked")
	last := func() (err error) {
		for _, err = range e.Tail(t.Context(), "s", 0) {
			if err != nil {
				break
			}
		}
		return err
	}
	tries.Store(0)
	trouble.Store(new(backend.ErrFailed))
	require.ErrorIs(t, last(), backend.ErrFailed)

	tries.Store(1) // the outage does not end
	trouble.Store(new(backend.ErrUnauthenticated))
	select {
	case <-asked:
	default:
	}
	go func() {
		<-asked
		_ = e.Close()
	}()
	require.ErrorIs(t, last(), backend.ErrUnauthenticated)
}
