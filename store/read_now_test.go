// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// Reads as of now see what the reader has written, also if the log's clock is ahead of the reader's, or a fact was imported
// from the far future.
func TestReadsAsOfNow(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ahead := time.Second
	var clock atomic.Pointer[time.Time] // which the engine may read at any time
	set := func(t time.Time) { now = t; clock.Store(&t) }
	set(now)
	l := memory.New(memory.Options{Now: func() time.Time { return clock.Load().Add(ahead) }})
	defer l.Close()
	e, err := store.Open(t.Context(), l, store.Options{Now: func() time.Time { return *clock.Load() }})
	require.NoError(t, err)
	defer e.Close()
	scope, err := e.Scope("s", "all", store.Filter{})
	require.NoError(t, err)
	check := func(n int) {
		t.Helper()
		for _, at := range []store.Moment{{Time: now}, {Valid: now}, {Time: now, Valid: now}} {
			r, ok, err := e.GetAt(t.Context(), "s", "k", at)
			require.NoError(t, err)
			require.True(t, ok, "%+v", at)
			require.Equal(t, fmt.Sprintf(`{"n":%d}`, n), string(r.Value()))
			require.Equal(t, r.Seq(), recordsOf(e.List(t.Context(), "s", store.Query{At: at}))[0].Seq())
			require.Equal(t, r.Seq(), recordsOf(scope.List(t.Context(), store.Query{At: at}))[0].Seq())
			history := recordsOf(e.History(t.Context(), "s", "k", at))
			require.Equal(t, r.Seq(), history[len(history)-1].Seq())
		}
	}
	for n := range 200 {
		_, err := e.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
		check(n)
		if set(now.Add(time.Millisecond)); n%7 == 0 {
			check(n)
		}
		if n == 100 {
			_, err := l.WriteFact(t.Context(), backend.Fact{ID: "far", Store: "far", Key: "k", Value: []byte("1"), TransactionTime: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})
			require.NoError(t, err)
		}
	}
	ahead = 0
	early := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Second)
	_, ok, err := e.GetAt(t.Context(), "s", "k", store.Moment{Time: early})
	require.NoError(t, err)
	require.False(t, ok, "the past stays as it was")
}

// Reads as of now see all facts that the reader was shown, even if another process wrote them: while it follows the
// log, once it has synced, and when it was opened later. A clock that is set back makes no difference once the engine
// has synced.
func TestReadsAsOfNowOfOthers(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var nanos atomic.Int64
	nanos.Store(start.UnixNano())
	clock := func() time.Time { return time.Unix(0, nanos.Load()).UTC() }
	l := memory.New(memory.Options{Now: func() time.Time { return clock().Add(time.Hour) }})
	defer l.Close()
	reader := func(stores ...string) *store.Engine {
		e, err := store.Open(t.Context(), l, store.Options{Now: clock, Stores: stores})
		require.NoError(t, err)
		t.Cleanup(func() { _ = e.Close() })
		return e
	}
	requireNow := func(e *store.Engine, n int) {
		t.Helper()
		for _, at := range []store.Moment{{Time: clock()}, {Valid: clock()}, store.ValidNow()} {
			r, ok, err := e.GetAt(t.Context(), "s", "k", at)
			require.NoError(t, err)
			require.True(t, ok, "%+v", at)
			require.Equal(t, fmt.Sprintf(`{"n":%d}`, n), string(r.Value()))
		}
	}
	write := func(n int) {
		_, err := l.WriteFact(t.Context(), withID(fact("k", n), fmt.Sprint(n)))
		require.NoError(t, err)
	}
	follower := reader()
	for n := range 200 {
		write(n)
		require.NoError(t, follower.WaitFor(t.Context(), uint64(n+1)))
		requireNow(follower, n)
		nanos.Add(int64(time.Millisecond))
	}
	requireNow(reader(), 199)
	requireNow(reader("s"), 199)
	some := reader("other")
	require.NoError(t, some.Load(t.Context(), "s"))
	requireNow(some, 199)

	nanos.Add(-int64(24 * time.Hour))
	require.NoError(t, follower.Sync(t.Context()))
	requireNow(follower, 199)
	_, ok, err := follower.GetAt(t.Context(), "s", "k", store.Moment{Time: clock().Add(-time.Second)})
	require.NoError(t, err)
	require.False(t, ok, "the past stays as it was")
}

// What is valid now is never in the past that is compacted, though the engine's clock is behind the log's and the latest fact
// was pruned.
func TestValidNowAfterAPrune(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := now.Add(time.Hour)
	l := memory.New(memory.Options{Now: func() time.Time { clock = clock.Add(time.Second); return clock }})
	defer l.Close()
	opts := store.Options{Now: func() time.Time { return now }}
	before := must(store.Open(t.Context(), l, opts))
	defer before.Close()
	for n := range 3 {
		_, err := l.WriteFact(t.Context(), withID(fact(fmt.Sprint("k", n), n), fmt.Sprint(n)))
		require.NoError(t, err)
	}
	_, err := l.Prune(t.Context(), slices.Values([]uint64{3}), backend.Horizon{})
	require.NoError(t, err)
	for _, opts.KeepVersions = range []int{0, 1} {
		after := must(store.Open(t.Context(), l, opts))
		defer after.Close()
		for _, e := range []*store.Engine{before, after} {
			require.NoError(t, e.Sync(t.Context()))
			_, ok, err := e.GetAt(t.Context(), "s", "k1", store.ValidNow())
			require.NoError(t, err)
			require.True(t, ok)
		}
	}
}

// A read as of a seq that the engine does not show yet waits for it, and one that the log does not reach says so: the answer
// would be another one later.
func TestReadsAsOfAnUnknownSeq(t *testing.T) {
	l := newLog(t)
	e, other := openEngine(t, l), openEngine(t, l)
	scope := must(e.Scope("s", "all", store.Filter{}))
	for n := range 50 {
		f := must(other.Write(t.Context(), fact("k", n)))
		r, _, err := e.GetAt(t.Context(), "s", "k", store.Moment{Seq: f.Seq})
		require.NoError(t, err)
		require.Equal(t, f.Seq, r.Seq())
	}
	at := store.AsOf(e.Head() + 1)
	_, _, err := e.GetAt(t.Context(), "s", "k", at)
	for _, err := range []error{err, firstError(scope.List(t.Context(), store.Query{At: at})), firstError(e.History(t.Context(), "s", "k", at))} {
		require.ErrorIs(t, err, backend.ErrDiverged)
	}
}
