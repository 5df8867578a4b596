// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A rule that writes with its context is refused, in a write and when it is caught up; one that declares or waits is not.
func TestRulesThatWrite(t *testing.T) {
	derive := func(e *store.Engine, name string, f func(ctx context.Context) error) error {
		return e.AddRule(store.Rule{Name: name, Source: "s", Derive: func(ctx context.Context, _ store.Record) (d store.Derived, err error) { return d, f(ctx) }})
	}
	for name, x := range map[string]struct {
		call    func(ctx context.Context, e *store.Engine) error
		refused bool
	}{
		"write": {func(ctx context.Context, e *store.Engine) error { return only(e.Write(ctx, fact("k", 2))) }, true},
		"elsewhere": {func(ctx context.Context, e *store.Engine) error {
			return only(e.Write(ctx, backend.Fact{Store: "other", Key: "k", Value: []byte("1")}))
		}, true},
		"batch": {func(ctx context.Context, e *store.Engine) error { return only(e.WriteBatch(ctx, backend.Batch{})) }, true},
		"update": {func(ctx context.Context, e *store.Engine) error {
			return only(e.Update(ctx, "s", "k", func(store.Record) (backend.Fact, error) { return fact("k", 3), nil }))
		}, true},
		"derive":   {func(ctx context.Context, e *store.Engine) error { return e.Derive(ctx, e.Latest("s", "k")) }, true},
		"rederive": {func(ctx context.Context, e *store.Engine) error { return e.Rederive(ctx) }, true},
		"compact":  {func(ctx context.Context, e *store.Engine) error { return only(e.Compact(ctx)) }, true},
		"declare": {func(_ context.Context, e *store.Engine) error {
			return derive(e, "another", func(context.Context) error { return nil })
		}, false},
		"sync": {func(ctx context.Context, e *store.Engine) error { return e.Sync(ctx) }, false},
		"load": {func(ctx context.Context, e *store.Engine) error { return e.Load(ctx, "t") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			var calls int
			var failed error
			open := func() *store.Engine {
				e, err := store.Open(t.Context(), l, store.Options{DerivationFailed: func(_ store.Record, err error) { failed = err }})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, e.Close()) })
				return e
			}
			check := func() {
				require.Equal(t, 1, calls)
				if x.refused {
					require.ErrorContains(t, failed, "let it return what to write")
				} else {
					require.NoError(t, failed)
				}
				calls, failed = 0, nil
			}
			e := open()
			require.NoError(t, derive(e, "r", func(ctx context.Context) error { calls++; return x.call(ctx, e) }))
			require.NoError(t, only(e.Write(t.Context(), fact("k", 1))))
			check()
			if name == "declare" {
				return // the name is taken
			}
			e = open()
			require.NoError(t, only(e.Write(t.Context(), fact("k", 2))))
			require.NoError(t, derive(e, "r", func(ctx context.Context) error {
				if calls++; calls > 1 {
					return nil
				}
				return x.call(ctx, e)
			}))
			calls = min(calls, 1)
			if x.refused && failed == nil {
				t.Error("nothing failed")
			}
			require.NoError(t, e.Err())
		})
	}
}

// Where the context does not tell that a rule writes, an endless row of rules ends with an error.
func TestRulesWithoutEnd(t *testing.T) {
	for name, call := range map[string]func(e *store.Engine) error{
		"write":    func(e *store.Engine) error { return only(e.Write(context.Background(), fact("k", 2))) },
		"rederive": func(e *store.Engine) error { return e.Rederive(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			var failed error
			calls := 0
			e, err := store.Open(t.Context(), newLog(t), store.Options{DerivationFailed: func(_ store.Record, err error) { failed = err }})
			require.NoError(t, err)
			defer e.Close()
			require.NoError(t, e.AddRule(store.Rule{Name: "r", Source: "s", Derive: func(context.Context, store.Record) (d store.Derived, err error) {
				calls++
				return d, call(e)
			}}))
			require.NoError(t, only(e.Write(t.Context(), fact("k", 1))))
			require.Less(t, calls, 200)
			require.ErrorContains(t, failed, "let it return what to write")
			require.NoError(t, only(e.Write(t.Context(), backend.Fact{Store: "other", Key: "k", Value: []byte("1")})))
		})
	}
}

// A function that rules' failures are reported to may declare a rule, also while one is caught up.
func TestDeclaringWhenARuleFails(t *testing.T) {
	l := newLog(t)
	none := func(context.Context, store.Record) (d store.Derived, err error) { return d, nil }
	fails := func(context.Context, store.Record) (d store.Derived, err error) { return d, errors.New("fails") }
	for range 2 { // the second time the rule is caught up
		var e *store.Engine
		var declared error
		e, err := store.Open(t.Context(), l, store.Options{DerivationFailed: func(store.Record, error) {
			declared = e.AddRule(store.Rule{Name: "other", Source: "o", Derive: none})
		}})
		require.NoError(t, err)
		require.NoError(t, e.AddRule(store.Rule{Name: "r", Source: "s", Derive: fails}))
		require.NoError(t, declared)
		require.NoError(t, only(e.Write(t.Context(), fact("k", 1))))
		require.NoError(t, e.Close())
	}
}

// What a rule derives has no ID or derivation of its own: it would be lost.
func TestRulesSetNoIDs(t *testing.T) {
	for _, f := range []backend.Fact{{ID: "mine"}, {Derivation: json.RawMessage(`"mine"`)}} {
		var failed error
		e, err := store.Open(t.Context(), newLog(t), store.Options{DerivationFailed: func(_ store.Record, err error) { failed = err }})
		require.NoError(t, err)
		f.Store, f.Key, f.Value = "t", "k", []byte("1")
		require.NoError(t, e.AddRule(store.Rule{Name: "r", Source: "s", Derive: func(context.Context, store.Record) (store.Derived, error) {
			return store.Derived{Facts: []backend.Fact{f}}, nil
		}}))
		require.NoError(t, only(e.Write(t.Context(), fact("k", 1))))
		require.ErrorIs(t, failed, backend.ErrInvalid)
		require.NoError(t, e.Close())
	}
}

// An Update whose change writes the key each time would never end.
func TestUpdateThatWritesItsKey(t *testing.T) {
	e := openEngine(t, newLog(t))
	for name, change := range map[string]func(store.Record) (backend.Fact, error){
		"write": func(store.Record) (backend.Fact, error) { return e.Write(context.Background(), fact("k", 1)) },
		"update": func(store.Record) (backend.Fact, error) {
			return e.Update(context.Background(), "s", "k", func(store.Record) (backend.Fact, error) { return fact("k", 1), nil })
		},
	} {
		calls := 0
		_, err := e.Update(t.Context(), "s", "k", func(old store.Record) (backend.Fact, error) {
			calls++
			f, err := change(old)
			f.ID = ""
			return f, err
		})
		require.ErrorContains(t, err, "called a method that writes", name)
		require.Less(t, calls, 200)
	}
	once := false
	_, err := e.Update(t.Context(), "s", "k", func(store.Record) (backend.Fact, error) {
		if !once {
			once = true
			require.NoError(t, only(e.Write(t.Context(), fact("k", 1))), "as another process might")
		}
		return fact("k", 2), nil
	})
	require.NoError(t, err)
}

// Begin inside the fold itself would wait for itself.
func TestBeginInsideAFold(t *testing.T) {
	e := openEngine(t, newLog(t))
	require.NoError(t, only(e.Write(t.Context(), fact("k", 1))))
	var fold *store.Fold[int]
	fold = store.NewFold(e, 0, func(n int, _ store.Record) int {
		require.ErrorContains(t, fold.Begin(context.Background(), 0, 0), "begin it elsewhere")
		return n + 1
	}, "s")
	require.NoError(t, fold.Read(t.Context(), func(n int, _ uint64) {
		require.Equal(t, 1, n)
		require.ErrorContains(t, fold.Begin(context.Background(), 0, 0), "begin it elsewhere")
	}))
	require.NoError(t, fold.Begin(t.Context(), 5, e.Head()))
}

// A Match may read what is not in memory any more, and ask where the engine stands.
func TestMatchThatReadsThePast(t *testing.T) {
	e, err := store.Open(t.Context(), newLog(t), store.Options{KeepVersions: 1, Logger: zap.NewNop()})
	require.NoError(t, err)
	defer e.Close()
	for n := range 200 {
		require.NoError(t, only(e.Write(t.Context(), backend.Fact{Store: "prices", Key: "p", Value: fact("p", n).Value})))
	}
	fold := store.NewFold(e, 0, func(n int, _ store.Record) int { return n + 1 }, "prices")
	scope := must(e.Scope("s", "asks", store.Filter{Match: func(store.Record, json.RawMessage) bool {
		ctx := context.Background()
		first, ok, err := e.GetAt(ctx, "prices", "p", store.Moment{Seq: 1})
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, uint64(1), first.Seq())
		require.NoError(t, fold.Read(ctx, func(n int, _ uint64) { require.Equal(t, 200, n) }))
		at := e.Cursor()
		require.NotZero(t, at.Seq)
		_, err = e.Resume(ctx, at)
		require.NoError(t, err)
		require.NoError(t, e.Health().Err)
		return true
	}}))
	require.NoError(t, only(e.Write(t.Context(), fact("a", 1))))
	scope.Build()
	require.NoError(t, only(e.Write(t.Context(), fact("b", 1))))
	require.Equal(t, 2, scope.Count())
}

// only returns the error of a call.
func only[T any](_ T, err error) error { return err }
