// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

func TestOpeningOptions(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	const facts = 8000
	for i := range facts {
		f := fact("k", i)
		f.Store = fmt.Sprint("s", i%2)
		_, err := e.Write(t.Context(), f)
		require.NoError(t, err)
	}
	var last store.OpenProgress
	calls := 0
	some, err := store.Open(t.Context(), l, store.Options{Stores: []string{"s1"}, Progress: func(p store.OpenProgress) {
		require.Greater(t, p.Facts, last.Facts)
		last = p
		calls++
	}})
	require.NoError(t, err)
	defer some.Close()
	require.Equal(t, store.OpenProgress{Facts: facts / 2}, last)
	require.Greater(t, calls, 1)
	require.Equal(t, []string{"s1"}, some.Stores())
	require.ErrorIs(t, some.Retain("s0", store.Retention{Versions: 1}), store.ErrNotLoaded)
	require.NoError(t, some.Retain("s1", store.Retention{Versions: 1}))
	f := fact("k", 1)
	f.Store = "s0"
	_, err = some.Write(t.Context(), f)
	require.ErrorIs(t, err, store.ErrNotLoaded)
	f.Store = "s1"
	_, err = some.Write(t.Context(), f)
	require.NoError(t, err)

	reader, err := store.Open(t.Context(), l, store.Options{ReadOnly: true})
	require.NoError(t, err)
	defer reader.Close()
	_, err = reader.Write(t.Context(), f)
	require.ErrorIs(t, err, store.ErrReadOnly)
	_, err = reader.WriteBatch(t.Context(), backend.Batch{Facts: []backend.Fact{f}})
	require.ErrorIs(t, err, store.ErrReadOnly)
	written, err := e.Write(t.Context(), f)
	require.NoError(t, err)
	require.NoError(t, reader.Sync(t.Context()))
	require.Equal(t, written, reader.Latest("s1", "k").Fact())
}
