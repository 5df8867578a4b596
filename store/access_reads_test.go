// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// What needs facts of a store that may not be read says so: it does not answer with what it has of it, does not take the
// facts to be missing in the log, and does not try again for ever.
func TestReadsOfAStoreThatMayNotBeRead(t *testing.T) {
	ctx := t.Context()
	g := &granted{Log: newLog(t)}
	full := openEngine(t, g.Log)
	write := func(f backend.Fact) backend.Fact { return must(full.Write(ctx, f)) }
	source := write(backend.Fact{Store: "secret", Key: "a", Value: []byte(`{"n":1}`)})
	made := write(backend.Fact{Store: "mine", Key: "a", Value: []byte(`{"of":"a"}`), Derivation: []byte(`{"rule":"r","version":1,"sources":["` + source.ID + `"]}`)})
	lineage := must(full.Lineage(made.ID))
	for what, opts := range map[string]store.Options{"all": {}, "named": {Stores: []string{"mine", "secret", store.RuleStore}}, "one version": {KeepVersions: 1}} {
		g.grant() // nil: all
		opts.Logger = zap.NewNop()
		var failed []error
		opts.DerivationFailed = func(_ store.Record, err error) { failed = append(failed, err) }
		e := must(store.Open(ctx, g, opts))
		defer e.Close()
		scope := must(e.Scope("secret", "all", store.Filter{}))
		index := must(e.Index("secret", "n"))
		relation := must(e.Relation("secret", "mine", "of"))
		count := store.NewFold(e, 0, func(n int, _ store.Record) int { return n + 1 }, "mine", "secret")
		counted := 0
		require.NoError(t, count.Read(ctx, func(n int, _ uint64) { counted = n }))
		readable := func(want error, stores ...string) {
			g.grant(stores...)
			for {
				if _, _, err := e.GetAt(ctx, "secret", "a", store.Moment{}); errors.Is(err, want) {
					return
				}
				runtime.Gosched()
			}
		}
		readable(backend.ErrForbidden, "mine", store.RuleStore)
		_, _, one := relation.One(ctx, e.Latest("mine", "a"), store.Moment{})
		_, query := e.Query(ctx, "secret", store.Query{})
		calls := 0
		_, update := e.Update(ctx, "secret", "a", func(store.Record) (backend.Fact, error) { calls++; return fact("a", 2), nil })
		for read, err := range map[string]error{
			"list": firstError(e.List(ctx, "secret", store.Query{})), "past": firstError(e.List(ctx, "secret", store.Query{At: store.AsOf(1)})),
			"query": query, "scope": firstError(scope.List(ctx, store.Query{})), "index": firstError(index.List(ctx, 1, store.Moment{})),
			"history": firstError(e.History(ctx, "secret", "a", store.Moment{})), "facts": firstError(e.Facts(ctx, "secret", 0)),
			"since": firstError(e.FactsSince(ctx, "secret", source.TransactionTime)), "relation": one, "update": update,
			"fold": count.Read(ctx, func(int, uint64) { t.Error("read with a part of the facts") }),
		} {
			require.ErrorIs(t, err, backend.ErrForbidden, "%s, %s", what, read)
			require.ErrorContains(t, err, `may not read store "secret"`)
		}
		require.Zero(t, calls)
		_, err := e.Lineage(made.ID)
		require.ErrorIs(t, err, store.ErrDropped, "its source may be in the log")
		require.ErrorIs(t, e.VerifyLineage(lineage), store.ErrDropped)

		name := "to secret, " + what
		require.NoError(t, e.AddRule(store.Rule{Name: name, Version: 1, Source: "mine", Derive: func(context.Context, store.Record) (store.Derived, error) {
			return store.Derived{Facts: []backend.Fact{{Store: "secret", Key: "a", Value: []byte("2")}}}, nil
		}}))
		_, err = e.Write(ctx, backend.Fact{Store: "mine", Key: "b", Value: []byte("1")})
		require.NoError(t, err)
		require.Len(t, failed, 1)
		require.ErrorIs(t, failed[0], backend.ErrForbidden, "it can't know what is latest there")
		write(backend.Fact{Store: "secret", Key: "c", Value: []byte("1")})

		readable(nil)
		require.NoError(t, e.Sync(ctx)) // another engine has written
		require.NoError(t, count.Read(ctx, func(n int, _ uint64) { require.Equal(t, counted+2, n, what) }), "it takes in what came meanwhile")
		require.NoError(t, e.Rederive(ctx))
		require.Equal(t, "2", string(e.Latest("secret", "a").Value()))

		g.grant("mine", "secret")
		for e.Latest(store.RuleStore, "rule:"+name).Seq() != 0 {
			runtime.Gosched()
		}
		failed = nil
		_, err = e.Write(ctx, backend.Fact{Store: "mine", Key: "d", Value: []byte("1")})
		require.NoError(t, err)
		require.Len(t, failed, 1)
		require.ErrorIs(t, failed[0], backend.ErrForbidden, "its state can't be read")
		_, err = e.Compact(ctx)
		if opts.KeepVersions == 0 {
			require.ErrorIs(t, err, backend.ErrForbidden, "it would not see its own receipts")
		}
	}
}
