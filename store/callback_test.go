package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/store"
)

// Panics in functions of the app leave the engine as it should be.
func TestFunctionsThatPanic(t *testing.T) {
	var failed error
	e, err := store.Open(t.Context(), newLog(t), store.Options{DerivationFailed: func(_ store.Record, err error) { failed = err }})
	require.NoError(t, err)
	defer e.Close()
	require.NoError(t, e.Upcast("s", func(v json.RawMessage) (json.RawMessage, error) {
		if string(v) == `{"n":1}` {
			panic("upcaster")
		}
		return v, nil
	}))
	scope, err := e.Scope("s", "panicking", store.Filter{Match: func(r store.Record, _ json.RawMessage) bool {
		if r.Key() == "k2" {
			panic("match")
		}
		return true
	}})
	require.NoError(t, err)
	scope.Build()
	require.NoError(t, e.AddRule(store.Rule{Name: "r", Source: "s", Derive: func(_ context.Context, source store.Record) (d store.Derived, err error) {
		if source.Key() == "k3" {
			panic("rule")
		}
		return d, nil
	}}))
	steps := 0
	fold := store.NewFold(e, 0, func(sum int, r store.Record) int {
		if steps++; steps == 4 {
			panic("fold")
		}
		return sum + 1
	}, "s")
	for n := range 5 {
		f := fact(fmt.Sprint("k", n), n)
		f.SchemaVersion = 1
		_, err := e.Write(t.Context(), f)
		require.NoError(t, err)
	}
		_, err = e.Latest("s", "k1").Upcast()
	require.ErrorContains(t, err, "upcaster")
	var in []string
	for r := range scope.List(t.Context(), store.Query{}) {
		in = append(in, r.Key())
	}
	require.Equal(t, []string{"k0", "k3", "k4"}, in)
	var de *store.DerivationError
	require.ErrorAs(t, failed, &de)
	require.Equal(t, e.Latest("s", "k3").ID(), de.Source)
	require.ErrorContains(t, failed, "panic: rule")
	require.Panics(t, func() { _ = fold.Read(t.Context(), func(int, uint64) {}) })
	fold.Read(t.Context(), func(sum int, seq uint64) {
		require.Equal(t, [2]int{5, int(e.Head())}, [2]int{sum, int(seq)}, "each fact once")
	})
}
