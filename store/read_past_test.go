// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/model"
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
	const n, keys = 8_000, 10
	for i := range n {
		_, err := live.Write(t.Context(), fact(fmt.Sprint("k", i%keys), i))
		require.NoError(t, err)
	}
	reopened, err := store.Open(t.Context(), l, opts)
	require.NoError(t, err)
	defer reopened.Close()
	require.NoError(t, all.Sync(t.Context()))
	want := factsOf(all.History(t.Context(), "s", "k3", store.Moment{}))
	for _, e := range []*store.Engine{live, reopened} {
		require.Equal(t, factsOf(all.List(t.Context(), "s", store.Query{})), factsOf(e.List(t.Context(), "s", store.Query{})))
		held := e.Latest("s", "k3").Version()
		require.GreaterOrEqual(t, held, 2)
		require.Less(t, held, n/keys/2)
		require.Equal(t, want, factsOf(e.History(t.Context(), "s", "k3", store.Moment{})))
		for _, at := range []store.Moment{{Seq: 50}, {Time: want[3].TransactionTime}, {Valid: want[3].TransactionTime}} {
			was, _, err := all.GetAt(t.Context(), "s", "k3", at)
			require.NoError(t, err)
			r, ok, err := e.GetAt(t.Context(), "s", "k3", at)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, was.Fact(), r.Fact())
		}
		require.Equal(t, factsOf(all.FactsSince(t.Context(), "s", want[3].TransactionTime)), factsOf(e.FactsSince(t.Context(), "s", want[3].TransactionTime)))
		require.Equal(t, factsOf(all.Facts(t.Context(), "s", 77)), factsOf(e.Facts(t.Context(), "s", 77)))
		past, err := e.Past(t.Context(), "s", "k3")
		require.NoError(t, err)
		require.Equal(t, want, factsOf(past.History(t.Context(), "s", "k3", store.Moment{})))
		_, ok := past.Get("s", "k4")
		require.False(t, ok)
		past, err = e.Past(t.Context(), "s")
		require.NoError(t, err)
		at := store.Query{At: store.Moment{Seq: 55}}
		require.Equal(t, factsOf(all.List(t.Context(), "s", at)), factsOf(past.List(t.Context(), "s", at)))
		_, err = past.Write(t.Context(), fact("k", 1))
		require.ErrorIs(t, err, store.ErrReadOnly)
		for _, err := range past.Tail(t.Context(), "s", n) {
			require.Error(t, err)
		}
		require.NoError(t, past.Close())
		require.NoError(t, e.Retain("s", store.Retention{Versions: 1}))
		require.Empty(t, e.PlanCompaction())
		_, err = e.Compact(t.Context())
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	require.Equal(t, keys, scope.Count())
}

// An engine reads from the log what it does not hold any more, or reports ErrDropped.
func TestPastOfWhatIsOverTheEngine(t *testing.T) {
	l := newLog(t)
	all := openEngine(t, l)
	var loops atomic.Int64
	counted := reads(l, func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		loops.Add(1)
		return next(ctx, r)
	})
	few, err := store.Open(t.Context(), counted, store.Options{KeepVersions: 1})
	require.NoError(t, err)
	defer few.Close()
	type over struct {
		scope    *store.Scope
		index    *store.Index
		relation *store.Relation
	}
	make := func(e *store.Engine) (o over) {
		o.scope = must(e.Scope("docs", "odd", store.Filter{Where: map[store.Field]any{"odd": true}}))
		o.index = must(e.Index("docs", "of"))
		o.relation = must(e.Relation("ones", "docs", "of"))
		return o
	}
	whole, part := make(all), make(few)
	require.Zero(t, part.scope.Count())
	count := func(n int, _ store.Record) int { return n + 1 }
	idle, live := store.NewFold(few, 0, count, "docs", "ones"), store.NewFold(few, 0, count, "docs", "ones")
	var want []store.ScopeEvent
	const facts = 6000
	for n := range facts {
		f := backend.Fact{Store: "docs", Key: fmt.Sprint("k", n%3), Value: fmt.Appendf(nil, `{"odd":%t,"of":%d}`, n%2 == 1, n%5)}
		if n%3 == 2 {
			f = backend.Fact{Store: "ones", Key: fmt.Sprint(n % 5), Value: fmt.Append(nil, n)}
		}
		_, err := few.Write(t.Context(), f)
		require.NoError(t, err)
		if n%500 == 0 {
			_ = live.Read(t.Context(), func(n int, seq uint64) { require.Equal(t, n, int(seq)) })
		}
	}
	require.NoError(t, all.Sync(t.Context()))
	before := loops.Load()
	require.Equal(t, factsOf(whole.scope.List(t.Context(), store.Query{})), factsOf(part.scope.List(t.Context(), store.Query{})))
	require.Equal(t, factsOf(whole.index.List(t.Context(), 1, store.AsOf(facts-1))), factsOf(part.index.List(t.Context(), 1, store.AsOf(facts-1))))
	require.Equal(t, before, loops.Load(), "what is held is not read from the log")
	for _, seq := range []uint64{1, 55, 101, 4000, facts} {
		at := store.Moment{Seq: seq}
		require.Equal(t, factsOf(whole.scope.List(t.Context(), store.Query{At: at})), factsOf(part.scope.List(t.Context(), store.Query{At: at})))
		for of := range 5 {
			require.Equal(t, factsOf(whole.index.List(t.Context(), of, at)), factsOf(part.index.List(t.Context(), of, at)))
			require.Equal(t, factsOf(whole.relation.Many(t.Context(), fmt.Sprint(of), at)), factsOf(part.relation.Many(t.Context(), fmt.Sprint(of), at)))
		}
		many, there, _ := all.GetAt(t.Context(), "docs", "k1", at)
		held, ok, err := few.GetAt(t.Context(), "docs", "k1", at)
		require.NoError(t, err)
		require.Equal(t, there, ok)
		require.Equal(t, many.Fact(), held.Fact())
		one, ok, _ := whole.relation.One(t.Context(), many, at)
		held, heldOK, err := part.relation.One(t.Context(), many, at)
		require.NoError(t, err)
		require.Equal(t, ok, heldOK)
		require.Equal(t, one.Fact(), held.Fact())
	}
	require.Greater(t, loops.Load(), before, "else this tests nothing")

	// Watching goes through all, whatever is dropped meanwhile.
	for e := range events(t, whole.scope, facts-2) {
		want = append(want, e)
	}
	n := 0
	for e := range events(t, part.scope, facts-2) {
		require.Equal(t, want[n].Transition, e.Transition, n)
		require.Equal(t, want[n].Record.Fact(), e.Record.Fact())
		if n++; n == 100 {
			for n := range 5000 {
				_, err := few.Write(t.Context(), backend.Fact{Store: "docs", Key: "k0", Value: fmt.Append(nil, n)})
				require.NoError(t, err)
			}
		}
	}
	require.Equal(t, len(want), n)

	// Folds leave nothing out.
	for _, fold := range []*store.Fold[int]{idle, live} {
		require.NoError(t, fold.Read(t.Context(), func(n int, seq uint64) { require.Equal(t, [2]int{facts + 5000, facts + 5000}, [2]int{n, int(seq)}) }))
	}

	// Lineages are whole or not at all.
	_, err = few.Lineage(few.Latest("docs", "k0").ID())
	require.ErrorIs(t, err, store.ErrDropped)
	require.NoError(t, all.Sync(t.Context()))
	lineage, err := all.Lineage(all.Latest("docs", "k1").ID())
	require.NoError(t, err)
	require.ErrorIs(t, few.VerifyLineage(lineage), store.ErrDropped)
	past, err := few.Past(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, past.VerifyLineage(lineage))
	require.Equal(t, all.Stores(), past.Stores())
}

// events yields what happened to a scope through a seq.
func events(t *testing.T, s *store.Scope, through uint64) iter.Seq[store.ScopeEvent] {
	return func(yield func(store.ScopeEvent) bool) {
		for e, err := range s.Watch(t.Context(), 0) {
			require.NoError(t, err)
			if !yield(e) || e.Record.Seq() >= through {
				return
			}
		}
	}
}

// Rules run for each source, even if it is dropped from memory before its turn.
func TestDerivingFromWhatWasDropped(t *testing.T) {
	e, err := store.Open(t.Context(), newLog(t), store.Options{KeepVersions: 1, DerivationFailed: func(_ store.Record, err error) { t.Error(err) }})
	require.NoError(t, err)
	defer e.Close()
	require.NoError(t, e.Upcast("s", func(v json.RawMessage) (json.RawMessage, error) { return v, nil }))
	require.NoError(t, e.AddRule(store.Rule{Name: "r", Source: "s", Derive: func(_ context.Context, source store.Record) (d store.Derived, err error) {
		d.Facts = []backend.Fact{{Store: "d", Key: "k", Value: must(source.Upcast())}}
		return d, nil
	}}))
	var b backend.Batch
	for n := range 1500 {
		f := fact("k", n)
		f.SchemaVersion = 1
		b.Facts = append(b.Facts, f)
	}
	facts, err := e.WriteBatch(t.Context(), b)
	require.NoError(t, err)
	const head = 1 + 3000 + 1 // the rule is declared, and its target noted
	require.Equal(t, uint64(head), e.Head())
	require.Less(t, e.Latest("s", "k").Version(), 1500)
	_, err = e.Import(t.Context(), facts[0]) // which derives nothing more
	require.NoError(t, err)
	require.Equal(t, uint64(head), e.Head())
}

// An engine that keeps few facts answers every question about the past as the oracle does, with times in and out of
// order on both axes, from memory or from the log.
func TestPastAgainstOracle(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	second := func(n int) time.Time {
		if n <= 0 {
			return time.Time{} // not given
		}
		return time.Unix(int64(n), 0).UTC()
	}
	l := newLog(t)
	var loops atomic.Int64
	counted := reads(l, func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		loops.Add(1)
		return next(ctx, r)
	})
	e, err := store.Open(t.Context(), counted, store.Options{KeepVersions: 2})
	require.NoError(t, err)
	defer e.Close()
	var o oracle
	held, read := 0, 0
	for n := 1; n <= 4000; n++ {
		f := fact(fmt.Sprint("k", draw.IntN(4)), n)
		f.TransactionTime = second(n + 1000 - draw.IntN(20)*draw.IntN(20))
		if draw.IntN(3) == 0 {
			f.ValidTime = second(draw.IntN(4000))
		}
		written, err := e.Write(t.Context(), f)
		require.NoError(t, err)
		if o = append(o, written); n%200 != 0 {
			continue
		}
		for range 5 {
			m := store.Moment{Seq: uint64(max(0, n-draw.IntN(60)*draw.IntN(60)))}
			if draw.IntN(3) == 0 {
				m.Time = second(n + 1000 - draw.IntN(60)*draw.IntN(60))
			}
			if draw.IntN(4) == 0 {
				m.Valid = second(draw.IntN(5000))
			}
			before := loops.Load()
			key := fmt.Sprint("k", draw.IntN(5))
			checkAt(t, o, e, "s", key, m)
			if loops.Load() == before {
				held++
			} else {
				read++
			}
			require.Equal(t, o.where(func(f backend.Fact) bool {
				return f.Key == key && (m.Seq == 0 || f.Seq <= m.Seq) && (m.Time.IsZero() || !f.TransactionTime.After(m.Time)) &&
					(m.Valid.IsZero() || !model.Effective(f).After(m.Valid))
			}), factsOf(e.History(t.Context(), "s", key, m)))
			after := uint64(max(0, n-draw.IntN(60)*draw.IntN(60)))
			require.Equal(t, o.where(func(f backend.Fact) bool { return f.Seq > after }), factsOf(e.Facts(t.Context(), "s", after)))
			since := second(n + 1000 - draw.IntN(60)*draw.IntN(60))
			require.Equal(t, o.where(func(f backend.Fact) bool { return !f.TransactionTime.Before(since) }), factsOf(e.FactsSince(t.Context(), "s", since)))
		}
	}
	require.Greater(t, held, 10, "some of the past is held")
	require.Greater(t, read, 10, "and some is not")
}
