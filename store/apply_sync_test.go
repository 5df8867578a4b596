// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// narrow returns a log whose caller may read one store. If says is true, its Features say so.
func narrow(l backend.Log, store string, says bool) backend.Log {
	return backend.Intercept(l, backend.Hooks{
		Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			r.Stores = []string{store}
			return next(ctx, r)
		},
		Features: func(f backend.Features) backend.Features {
			if says {
				f.Stores = []string{store}
			}
			return f
		},
	})
}

// TestHeadWithoutFacts wants the head at the end of the log, even if the last facts are pruned or may not be read.
func TestHeadWithoutFacts(t *testing.T) {
	l := newLog(t)
	full := openEngine(t, l)
	write := func(name string) uint64 {
		f, err := full.Write(t.Context(), backend.Fact{Store: name, Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		return f.Seq
	}
	write("s")
	pruned := write("s")
	_, err := l.Prune(t.Context(), func(yield func(uint64) bool) { yield(pruned) }, backend.Horizon{})
	require.NoError(t, err)
	e := openEngine(t, narrow(l, "s", true))
	require.Equal(t, pruned, e.Head())
	require.NoError(t, e.WaitFor(t.Context(), pruned))

	hidden := write("others")
	waits := make(chan error)
	go func() { waits <- e.WaitFor(t.Context(), hidden) }()
	require.NoError(t, e.Sync(t.Context()))
	require.Equal(t, hidden, e.Head())
	require.NoError(t, <-waits)
	_, err = e.Write(t.Context(), backend.Fact{Store: "hidden", Key: "k", Value: []byte("1")})
	require.NoError(t, err, "it is the next one")
	write("s")
	require.NoError(t, e.Sync(t.Context()))
	require.Equal(t, factsOf(full.Facts(t.Context(), "s", pruned)), factsOf(e.Facts(t.Context(), "s", pruned)))
	require.NoError(t, e.Close())
	require.ErrorIs(t, e.Sync(t.Context()), backend.ErrClosed)
}

// TestSyncOfPollingLogs wants writes of others right after Sync, even if the log shows them to followers much later.
func TestSyncOfPollingLogs(t *testing.T) {
	l := newLog(t)
	var follows atomic.Int64
	polled := followed{backend.Intercept(l, backend.Hooks{Features: func(f backend.Features) backend.Features {
		f.Poll = time.Hour
		return f
	}}), func(ctx context.Context, _ backend.Range) iter.Seq2[backend.Page, error] {
		follows.Add(1)
		return func(yield func(backend.Page, error) bool) {
			<-ctx.Done()
			yield(backend.Page{}, ctx.Err())
		}
	}}
	full, e := openEngine(t, l), openEngine(t, polled)
	for n := range 100 {
		f, err := full.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
		require.NoError(t, e.Sync(t.Context()))
		require.Equal(t, f, e.Latest("s", "k").Fact())
		f, err = e.WriteIf(t.Context(), f.ID, fact("k", n))
		require.NoError(t, err, "own writes show at once")
		require.Equal(t, f, e.Latest("s", "k").Fact())
		_, err = full.Update(t.Context(), "s", "k", func(store.Record) (backend.Fact, error) { return fact("k", n), nil })
		require.NoError(t, err)
		if n%2 == 0 { // and after a conflict it shows what others wrote
			_, err = e.WriteIf(t.Context(), f.ID, fact("k", n))
			require.ErrorIs(t, err, backend.ErrConflict)
			require.NoError(t, full.Sync(t.Context()))
			require.Equal(t, full.Latest("s", "k").Fact(), e.Latest("s", "k").Fact())
		}
	}
	require.Equal(t, int64(1), follows.Load())
}
