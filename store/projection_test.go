// SPDX-License-Identifier: Apache-2.0

package store

import (
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// Facts that a compaction dropped are freed, even if scopes and indexes over them are not read again.
func TestDroppedFactsAreNotHeld(t *testing.T) {
	l := memory.New(memory.Options{})
	defer l.Close()
	e, err := Open(t.Context(), l, Options{})
	require.NoError(t, err)
	defer e.Close()
	scope, err := e.Scope("s", "all", Filter{})
	require.NoError(t, err)
	index, err := e.Index("s", "n")
	require.NoError(t, err)
	for range 3 {
		_, err := e.Write(t.Context(), backend.Fact{Store: "s", Key: "k", Value: []byte(`{"n":1}`)})
		require.NoError(t, err)
	}
	scope.Build()
	index.Build()
	old := weak.Make(e.namespace("s"))
	require.NoError(t, e.Retain("s", Retention{Versions: 1}))
	_, err = e.Compact(t.Context())
	require.NoError(t, err)
	for range 3 { // what a finished goroutine's stack held takes a cycle more
		runtime.GC()
	}
	require.Nil(t, old.Value())
	require.Equal(t, 1, scope.Count())
	runtime.KeepAlive(index)
}
