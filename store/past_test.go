package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/store"
)

// An engine that keeps the latest few facts of a key in memory has all of the present, and the past
// from the log.
func TestKeepVersions(t *testing.T) {
	l := newLog(t)
	all := openEngine(t, l)
	opts := store.Options{KeepVersions: 2}
	live, err := store.Open(t.Context(), l, opts)
	require.NoError(t, err)
	defer live.Close()
	scope, err := live.Scope("s", "even", store.Filter{Match: func(r store.Record, _ json.RawMessage) bool { return len(r.Key())%2 == 0 }})
	require.NoError(t, err)
	scope.Build()
	const n, keys = 20_000, 10
	for i := range n {
		_, err := live.Write(t.Context(), fact(fmt.Sprint("k", i%keys), i))
		require.NoError(t, err)
	}
	reopened, err := store.Open(t.Context(), l, opts)
	require.NoError(t, err)
	defer reopened.Close()
	require.NoError(t, all.Sync(t.Context()))
	want := factsOf(all.History("s", "k3"))
	for _, e := range []*store.Engine{live, reopened} {
		require.Equal(t, factsOf(all.List("s", store.Query{})), factsOf(e.List("s", store.Query{})))
		held := factsOf(e.History("s", "k3"))
		require.Equal(t, want[len(want)-len(held):], held)
		require.GreaterOrEqual(t, len(held), 2)
		require.Less(t, len(held), n/keys/2)
		_, ok := e.GetAt("s", "k3", store.Moment{Seq: 50})
		require.False(t, ok)
		past, err := e.Past(t.Context(), "s", "k3")
		require.NoError(t, err)
		require.Equal(t, want, factsOf(past.History("s", "k3")))
		_, ok = past.Get("s", "k4")
		require.False(t, ok)
		past, err = e.Past(t.Context(), "s")
		require.NoError(t, err)
		at := store.Query{At: store.Moment{Seq: 55}}
		require.Equal(t, factsOf(all.List("s", at)), factsOf(past.List("s", at)))
		_, err = past.Write(t.Context(), fact("k", 1))
		require.ErrorIs(t, err, store.ErrReadOnly)
		for _, err := range past.Tail(t.Context(), "s", n) {
			require.Error(t, err)
		}
		require.NoError(t, past.Close())
		_, err = e.Compact(t.Context())
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	require.Equal(t, keys, scope.Count())
}
