// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A rule whose targets were compacted catches up with sources that were written since without it.
func TestRuleCatchesUpAfterItsTargetsArePruned(t *testing.T) {
	l := newLog(t)
	latest := store.Rule{Name: "latest", Source: "s", Derive: func(_ context.Context, r store.Record) (d store.Derived, err error) {
		d.Facts = []backend.Fact{{Store: "latest", Key: "k", Value: r.Value()}}
		return d, nil
	}}
	open := func() *store.Engine {
		e, err := store.Open(t.Context(), l, store.Options{DerivationFailed: func(r store.Record, err error) { t.Errorf("%s: %v", r.ID(), err) }})
		require.NoError(t, err)
		return e
	}
	e := open()
	require.NoError(t, e.AddRule(latest))
	for n := range 5 {
		_, err := e.Write(t.Context(), fact("k", n))
		require.NoError(t, err)
	}
	require.NoError(t, e.Retain("latest", store.Retention{Versions: 1}))
	_, err := e.Compact(t.Context())
	require.NoError(t, err)
	require.NoError(t, e.Close())

	e = open() // without the rule
	_, err = e.Write(t.Context(), fact("k", 5))
	require.NoError(t, err)
	require.NoError(t, e.Close())

	e = open()
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	require.NoError(t, e.AddRule(latest))
	require.Equal(t, `{"n":5}`, string(e.Latest("latest", "k").Value()))
	require.NoError(t, e.Rederive(t.Context()))
}
