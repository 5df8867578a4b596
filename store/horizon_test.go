// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/store"
)

// A fresh engine whose token reads one store, and no receipts of compactions, knows from when on that store's past is
// whole: every read before that is ErrCompacted, on both axes, and every read from there on is right.
func TestHorizonUnderANarrowToken(t *testing.T) {
	now := time.Unix(1000, 0).UTC()
	log := memory.New(memory.Options{Now: func() time.Time { return now }})
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	full := openEngine(t, log)
	for n := range 6 {
		now = now.Add(time.Second)
		for _, key := range []string{"a", "b"} {
			put(t, full, key)
			_, err := full.Write(t.Context(), backend.Fact{Store: "docs", Key: key, Value: fmt.Appendf(nil, `{"n":%d,"of":"x","all":true}`, n)})
			require.NoError(t, err)
		}
	}
	require.NoError(t, full.Retain("docs", store.Retention{Versions: 2}))
	_, err := full.Compact(t.Context())
	require.NoError(t, err)
	horizon := full.Horizon("docs")
	require.NotZero(t, horizon)

	token, entry := auth.NewToken("narrow")
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "- {name: narrow, sha256: %s, read: [docs]}\n", entry.SHA256), 0o600))
	tokens, err := auth.LoadTokens(path)
	require.NoError(t, err)
	for what, opts := range map[string]store.Options{
		"all stores": {}, "one store": {Stores: []string{"docs"}}, "loaded later": {Stores: []string{}}, "few versions": {KeepVersions: 1},
	} {
		e, err := store.Open(t.Context(), dial(t, log, server.Options{Tokens: tokens}, token), opts)
		require.NoError(t, err, what)
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		require.NoError(t, e.Load(t.Context(), "docs"), what)
		require.Equal(t, horizon, e.Horizon("docs"), what)
		scope := must(e.Scope("docs", "all", store.Filter{Where: map[store.Field]any{"all": true}}))
		index := must(e.Index("docs", "of"))
		relation := must(e.Relation("docs", "docs", "of"))
		past := must(e.Past(t.Context(), "docs"))
		first := func(loop iter.Seq2[store.Record, error]) error {
			for _, err := range loop {
				return err
			}
			return nil
		}
		reads := func(at store.Moment) map[string]error {
			q := store.Query{At: at}
			all := map[string]error{
				"List": first(e.List(t.Context(), "docs", q)), "Scope.List": first(scope.List(t.Context(), q)),
				"Index.List": first(index.List(t.Context(), "x", at)), "Relation.Many": first(relation.Many(t.Context(), "x", at)),
				"past List": first(past.List(t.Context(), "docs", q)),
			}
			_, _, all["GetAt"] = e.GetAt(t.Context(), "docs", "a", at)
			_, _, all["past GetAt"] = past.GetAt(t.Context(), "docs", "a", at)
			_, all["Query"] = e.Query(t.Context(), "docs", q)
			_, all["Scope.Query"] = scope.Query(t.Context(), q)
			_, _, all["Relation.One"] = relation.One(t.Context(), e.Latest("docs", "a"), at)
			return all
		}
		moment := time.Nanosecond
		for _, at := range []store.Moment{{Seq: horizon.Seq - 1}, {Time: horizon.Time.Add(-moment)}, {Valid: horizon.Time.Add(-moment)}, {Seq: horizon.Seq, Valid: time.Unix(1, 0)}} {
			for read, err := range reads(at) {
				require.ErrorIs(t, err, backend.ErrCompacted, "%s, %s as of %+v", what, read, at)
			}
		}
		for _, at := range []store.Moment{{}, {Seq: horizon.Seq}, {Time: horizon.Time}, {Valid: horizon.Time}, store.ValidNow()} {
			for read, err := range reads(at) {
				require.NoError(t, err, "%s, %s as of %+v", what, read, at)
			}
			require.Equal(t, factsOf(full.List(t.Context(), "docs", store.Query{At: at})), factsOf(e.List(t.Context(), "docs", store.Query{At: at})))
		}
		loops := func(after uint64) map[string]error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			all := map[string]error{"Facts": first(e.Facts(ctx, "docs", after)), "Tail": first(e.Tail(ctx, "docs", after))}
			for _, err := range scope.Watch(ctx, after) {
				all["Watch"] = err
				break
			}
			fold := store.NewFold(e, 0, func(n int, _ store.Record) int { return n + 1 }, "docs")
			require.NoError(t, fold.Begin(ctx, 0, after))
			all["Fold"] = fold.Read(ctx, func(int, uint64) {})
			return all
		}
		for loop, err := range loops(horizon.Seq - 1) {
			require.ErrorIs(t, err, backend.ErrCompacted, "%s, %s", what, loop)
		}
		for loop, err := range loops(horizon.Seq) {
			require.NoError(t, err, "%s, %s", what, loop)
		}
		require.ErrorIs(t, first(e.History(t.Context(), "docs", "a", store.Moment{})), backend.ErrCompacted)
		require.ErrorIs(t, first(e.FactsSince(t.Context(), "docs", horizon.Time.Add(-moment))), backend.ErrCompacted)
		require.NoError(t, first(e.FactsSince(t.Context(), "docs", horizon.Time)))
	}
}
