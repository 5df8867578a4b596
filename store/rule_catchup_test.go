// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// copying copies each source to a fact of store "copies" with the source's ID as its key, and each that is 0 to none.
// runs counts its calls.
func copying(runs map[string]int) store.Rule {
	return store.Rule{Name: "copy", Source: "s", Derive: func(_ context.Context, source store.Record) (d store.Derived, err error) {
		runs[source.ID()]++
		if string(source.Value()) != `{"n":0}` {
			d.Facts = []backend.Fact{{Store: "copies", Key: source.ID(), Value: fmt.Append(nil, len(runs))}}
		}
		return d, nil
	}}
}

func keysIn(e *store.Engine, name string) (keys []string) {
	for r, err := range e.Facts(context.Background(), name, 0) {
		if err == nil { // and not that facts were compacted
			keys = append(keys, r.Key())
		}
	}
	return keys
}

// What follows from a write is written although the writer's context ends at any step.
func TestRulesOutliveContexts(t *testing.T) {
	for _, when := range []string{"after the write", "in the rule", "before the answer"} {
		t.Run(when, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			l := newLog(t)
			e := openEngine(t, writes(l, func(c context.Context, batches []backend.Batch, next func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
				if len(batches[0].Facts) == 0 || batches[0].Facts[0].ID != "source" {
					return next(c, batches...)
				}
				written := next(c, batches...)
				switch when {
				case "after the write":
					cancel()
				case "before the answer":
					cancel()
					written[0] = backend.Written{Err: ctx.Err()}
				}
				return written
			}))
			runs := map[string]int{}
			rule := copying(runs)
			derive := rule.Derive
			rule.Derive = func(c context.Context, source store.Record) (store.Derived, error) {
				if when == "in the rule" {
					cancel()
				}
				require.NoError(t, c.Err())
				return derive(c, source)
			}
			require.NoError(t, e.AddRule(rule))
			_, err := e.Write(ctx, withID(fact("k", 1), "source"))
			if when == "before the answer" {
				require.ErrorIs(t, err, context.Canceled)
				require.NoError(t, e.WaitFor(t.Context(), 3))
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, []string{"source"}, keysIn(e, "copies"))
		})
	}
}

// The log tells for which sources a rule did not run: each is derived from once, whatever process wrote it, and however
// often the rule is declared.
func TestRulesCatchUp(t *testing.T) {
	for _, keep := range []int{0, 1} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			l := newLog(t)
			open := func(stores ...string) *store.Engine {
				e, err := store.Open(t.Context(), l, store.Options{KeepVersions: keep, Stores: stores, DerivationFailed: func(_ store.Record, err error) { t.Error(err) }})
				require.NoError(t, err)
				t.Cleanup(func() { e.Close() })
				return e
			}
			write := func(id string, n int) {
				_, err := l.WriteFact(t.Context(), withID(fact("k", n), id))
				require.NoError(t, err)
			}
			write("older than the rule", 1)
			runs := map[string]int{}
			first := open()
			require.NoError(t, first.AddRule(copying(runs)))
			require.Empty(t, runs)
			write("a", 1)
			write("nothing", 0)
			_, err := first.Write(t.Context(), withID(fact("k", 0), "also nothing"))
			require.NoError(t, err)
			write("b", 2)
			require.NoError(t, first.Close())

			second := open("s", "copies")
			require.NoError(t, second.AddRule(copying(runs)))
			write("c", 3)
			write("d", 4)
			require.NoError(t, second.Sync(t.Context()))
			require.NoError(t, second.Rederive(t.Context()))
			require.NoError(t, second.Rederive(t.Context()))
			require.Equal(t, []string{"a", "b", "c", "d"}, keysIn(second, "copies"), "in the order of the log")
			third := open()
			require.NoError(t, third.AddRule(copying(runs)))
			require.Equal(t, map[string]int{"a": 1, "nothing": 1, "also nothing": 1, "b": 1, "c": 1, "d": 1}, runs)
		})
	}
}

// A rule that fails is run again, and the sources after the one it fails for are not left out.
func TestRederiving(t *testing.T) {
	var failed []error
	e, err := store.Open(t.Context(), newLog(t), store.Options{DerivationFailed: func(_ store.Record, err error) { failed = append(failed, err) }})
	require.NoError(t, err)
	defer e.Close()
	runs := map[string]int{}
	rule := copying(runs)
	derive, broken := rule.Derive, true
	rule.Derive = func(ctx context.Context, source store.Record) (store.Derived, error) {
		if broken && source.ID() == "bad" {
			return store.Derived{}, errors.New("broken")
		}
		return derive(ctx, source)
	}
	require.NoError(t, e.AddRule(rule))
	for n, id := range []string{"bad", "good"} {
		_, err := e.Write(t.Context(), withID(fact("k", n+1), id))
		require.NoError(t, err)
	}
	require.Len(t, failed, 1)
	var de *store.DerivationError
	require.ErrorAs(t, e.Rederive(t.Context()), &de)
	require.Equal(t, "bad", de.Source)
	broken = false
	require.NoError(t, e.Rederive(t.Context()))
	require.Equal(t, []string{"good", "bad"}, keysIn(e, "copies"))
}

// Several engines catch up at once: each source is derived from once.
func TestCatchingUpTogether(t *testing.T) {
	l := newLog(t)
	require.NoError(t, openEngine(t, l).AddRule(copying(map[string]int{})))
	for n := range 50 {
		_, err := l.WriteFact(t.Context(), withID(fact("k", n%3), fmt.Sprint(n)))
		require.NoError(t, err)
	}
	engines := []*store.Engine{openEngine(t, l), openEngine(t, l), openEngine(t, l)}
	done := make(chan error)
	for _, e := range engines {
		go func() { done <- e.AddRule(copying(map[string]int{})) }()
	}
	for range engines {
		require.NoError(t, <-done)
	}
	for _, e := range engines {
		require.NoError(t, e.Sync(t.Context()))
		keys := keysIn(e, "copies")
		require.Len(t, keys, 33)
		slices.Sort(keys)
		require.Len(t, slices.Compact(keys), 33)
		for r := range e.Facts(t.Context(), "copies", 0) {
			require.Equal(t, 1, r.Version())
		}
	}
}

// Facts of a rule that are pruned are not derived again.
func TestDerivedFactsThatWerePruned(t *testing.T) {
	l := newLog(t)
	e := openEngine(t, l)
	target := store.Rule{Name: "latest", Source: "s", Derive: func(_ context.Context, source store.Record) (d store.Derived, err error) {
		d.Facts = []backend.Fact{{Store: "latest", Key: "k", Value: source.Value()}}
		return d, nil
	}}
	require.NoError(t, e.AddRule(target))
	for n := range 5 {
		_, err := e.Write(t.Context(), fact("k", n+1))
		require.NoError(t, err)
	}
	require.NoError(t, e.Retain("latest", store.Retention{Versions: 1}))
	pruned, err := e.Compact(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, pruned[0].Facts)
	later := openEngine(t, l)
	require.NoError(t, later.AddRule(target))
	require.Len(t, keysIn(later, "latest"), 1)
	require.Equal(t, e.Head(), later.Head(), "nothing to do")

	// Another process prunes facts that a rule may have derived.
	lost, err := l.WriteFact(t.Context(), withID(fact("k", 9), "lost"))
	require.NoError(t, err)
	told := withHorizon{l, map[string]backend.Horizon{"latest": {Seq: lost.Seq + 1}}}
	unsure := openEngine(t, told)
	require.NoError(t, unsure.AddRule(target))
	require.Len(t, keysIn(unsure, "latest"), 1)
	r, err := unsure.FactByID(lost.ID)
	require.NoError(t, err)
	require.NoError(t, unsure.Derive(t.Context(), r))
	require.Len(t, keysIn(unsure, "latest"), 2)
}

type withHorizon struct {
	backend.Log
	horizons map[string]backend.Horizon
}

func (w withHorizon) Stats(ctx context.Context) (backend.Stats, error) {
	stats, err := w.Log.Stats(ctx)
	stats.Horizons = w.horizons
	return stats, err
}

// Who may write the source alone can neither take the IDs of derived facts nor make a source look derived.
func TestRulesCanNotBeSilenced(t *testing.T) {
	id := func(source string, attempt int) string {
		return uuid.NewHash(sha256.New(), uuid.Nil, fmt.Appendf(nil, "%q %q %d %d", "copy", source, attempt, 0), 8).String()
	}
	for name, write := range map[string]func(write func(backend.Fact)){
		"IDs taken before": func(write func(backend.Fact)) {
			for attempt := range 3 {
				write(withID(fact("noise", 0), id("source", attempt)))
			}
			write(withID(fact("k", 1), "source"))
		},
		"IDs taken after, and claims": func(write func(backend.Fact)) {
			write(withID(fact("k", 1), "source"))
			for attempt := range 3 {
				f := withID(fact("noise", 0), id("source", attempt))
				f.Derivation = []byte(`{"rule":"copy","version":1,"sources":["source"]}`)
				write(f)
			}
		},
		"claims to be derived": func(write func(backend.Fact)) {
			for _, claim := range []string{`{"rule":"copy","version":1,"sources":["x"]}`, `{"rule":"x"}`, `{}`, `1`} {
				f := withID(fact("k", 1), claim)
				f.Derivation = []byte(claim)
				write(f)
			}
			write(withID(fact("k", 1), "source"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, who := range []string{"another process", "the engine"} {
				l := newLog(t)
				e := openEngine(t, l)
				runs := map[string]int{}
				require.NoError(t, e.AddRule(copying(runs)))
				_, err := e.Write(t.Context(), withID(fact("k", 1), "first")) // the target becomes known
				require.NoError(t, err)
				sources := []string{"first"}
				write(func(f backend.Fact) {
					if f.Key == "k" {
						sources = append(sources, f.ID)
					}
					if who == "the engine" {
						_, err = e.Write(t.Context(), f)
					} else {
						_, err = l.WriteFact(t.Context(), f)
					}
					if err != nil && f.Key == "noise" {
						require.ErrorIs(t, err, backend.ErrIDReused, "the rule was first")
						return
					}
					require.NoError(t, err)
				})
				require.NoError(t, e.Sync(t.Context()))
				require.NoError(t, e.Rederive(t.Context()))
				require.Equal(t, sources, keysIn(e, "copies"))
			}
		})
	}
}
