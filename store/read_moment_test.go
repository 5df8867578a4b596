package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/store"
)

// Reads as of the head of an empty log find nothing, whatever is written later.
func TestAsOfNothing(t *testing.T) {
	e := openEngine(t, newLog(t))
	scope, err := e.Scope("s", "all", store.Filter{})
	require.NoError(t, err)
	index, err := e.Index("s", "n")
	require.NoError(t, err)
	then := store.AsOf(e.Head())
	_, err = e.Write(t.Context(), fact("k", 1))
	require.NoError(t, err)
	for at, want := range map[store.Moment]int{then: 0, store.AsOf(e.Head()): 1, {}: 1} {
		_, ok, _ := e.GetAt(t.Context(), "s", "k", at)
		require.Equal(t, want == 1, ok)
		require.Len(t, factsOf(e.List(t.Context(), "s", store.Query{At: at})), want)
		require.Len(t, factsOf(scope.List(t.Context(), store.Query{At: at})), want)
		require.Len(t, factsOf(index.List(t.Context(), 1, at)), want)
	}
}
