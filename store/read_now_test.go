package store_test

import (
	"fmt"
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
	l := memory.New(memory.Options{Now: func() time.Time { return now.Add(ahead) }})
	defer l.Close()
	e, err := store.Open(t.Context(), l, store.Options{Now: func() time.Time { return now }})
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
		if now = now.Add(time.Millisecond); n%7 == 0 {
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
