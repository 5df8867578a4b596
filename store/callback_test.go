// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
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

// A Match or an Upcaster that reads gets the right answer, whether what it asks for is built or not; one that
// writes or waits is refused. Nothing stands still.
func TestFunctionsThatReadTheEngine(t *testing.T) {
	const asked = 3 // of the records of "people" are active
	for _, built := range []bool{false, true} {
		for _, caller := range []string{"match", "upcaster", "index", "list"} {
			t.Run(fmt.Sprint(caller, " built ", built), func(t *testing.T) {
				e, err := store.Open(t.Context(), newLog(t), store.Options{Logger: zap.NewNop()})
				require.NoError(t, err)
				defer e.Close()
				for n := range 4 {
					_, err := e.Write(t.Context(), backend.Fact{ID: fmt.Sprint(n), Store: "people", Key: fmt.Sprint(n), Value: fmt.Appendf(nil, `{"active":%v,"boss":"b"}`, n != 0)})
					require.NoError(t, err)
				}
				active := must(e.Scope("people", "active", store.Filter{Where: map[store.Field]any{"active": true}}))
				chosen := must(e.Scope("people", "chosen", store.Filter{Match: func(r store.Record, _ json.RawMessage) bool { return r.Key() != "0" }}))
				relation := must(e.Relation("s", "people", "boss"))
				index := must(e.Index("people", "active"))
				if built {
					active.Build()
					chosen.Build()
					index.Build()
					must(e.Lineage("1"))
				}
				var itself *store.Scope
				calls := 0
				ask := func() bool {
					calls++
					ctx := context.Background()
					require.Equal(t, asked, active.Count())
					require.Equal(t, asked, chosen.Count())
					require.Equal(t, asked, chosen.Count(), "again")
					require.Len(t, recordsOf(chosen.List(ctx, store.Query{ByKey: true})), asked)
					require.Len(t, recordsOf(relation.Many(ctx, "b", store.Moment{})), asked+1)
					require.Len(t, slices.Collect(index.Values()), 2)
					_, err := e.Lineage("1")
					require.NoError(t, err)
					require.NoError(t, e.Err())
					if caller != "list" { // which is not called under a lock
						_, err = e.Write(ctx, fact("other", 1))
						require.ErrorContains(t, err, "would never end")
						for _, err := range []error{
							e.WaitFor(ctx, e.Head()+1), e.Sync(ctx), e.Load(ctx, "x"), e.Retain("x", store.Retention{}), e.Upcast("x"), e.Close(),
							e.AddRule(store.Rule{Name: "r", Source: "x", Derive: func(context.Context, store.Record) (d store.Derived, err error) { return }}),
						} {
							require.ErrorContains(t, err, "would never end")
						}
					}
					return true
				}
				up := func(v json.RawMessage) (json.RawMessage, error) { ask(); return v, nil }
				f := fact("k", 1)
				f.SchemaVersion = 1
				switch caller {
				case "match":
					itself = must(e.Scope("s", "asks", store.Filter{Match: func(store.Record, json.RawMessage) bool { return ask() }}))
					itself.Build()
					defer func() { require.Equal(t, 2, itself.Count()) }()
				case "upcaster":
					require.NoError(t, e.Upcast("s", up))
					itself = must(e.Scope("s", "asks", store.Filter{Where: map[store.Field]any{"n": 1}}))
					itself.Build()
					defer func() { require.Equal(t, 2, itself.Count()) }()
				case "index":
					require.NoError(t, e.Upcast("s", up))
					must(e.Index("s", "n")).Build()
				case "list":
					itself = must(e.Scope("s", "asks", store.Filter{Match: func(store.Record, json.RawMessage) bool { return ask() }}))
				}
				_, err = e.Write(t.Context(), withID(fact("first", 1), "first"))
				require.NoError(t, err)
				if itself != nil && caller != "list" {
					itself.Build()
				}
				_, err = e.Write(t.Context(), f)
				require.NoError(t, err)
				if caller == "list" {
					for range itself.List(t.Context(), store.Query{At: store.AsOf(e.Head() - 1)}) {
					}
				} else if caller == "index" {
					must(e.Index("s", "n")).Build()
				}
				require.NotZero(t, calls)
			})
		}
	}
}

// A Match that asks its own scope, also through another one, decides nothing, and the engine goes on.
func TestMatchThatAsksItself(t *testing.T) {
	e := openEngine(t, newLog(t))
	var a, b *store.Scope
	a = must(e.Scope("s", "a", store.Filter{Match: func(store.Record, json.RawMessage) bool { return a.Count() >= 0 && b.Count() >= 0 }}))
	b = must(e.Scope("s", "b", store.Filter{Match: func(store.Record, json.RawMessage) bool { return a.Count() >= 0 }}))
	for n := range 3 {
		_, err := e.Write(t.Context(), fact(fmt.Sprint(n), n))
		require.NoError(t, err)
	}
	require.Zero(t, a.Count())
	_, err := e.Write(t.Context(), fact("k", 1))
	require.NoError(t, err)
	require.NoError(t, e.Sync(t.Context()))
}
