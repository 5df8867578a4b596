// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/wire"
)

// TestImporter imports to a large log that takes no batches: its facts are read first and not written again, new facts
// are written once and in order, and a reused ID ends the import before any later fact is written.
func TestImporter(t *testing.T) {
	held := memory.New(memory.Options{})
	defer held.Close()
	fact := func(id, value string) backend.Fact {
		return backend.Fact{ID: id, Store: "s", Key: "k", Value: []byte(value), ValueHash: wire.HashCanonical([]byte(value))}
	}
	for _, f := range []backend.Fact{fact("a", "1"), fact("b", "2")} {
		_, err := held.WriteFact(t.Context(), f)
		require.NoError(t, err)
	}
	var written []string
	log := backend.Intercept(held, backend.Hooks{
		Stats: func(ctx context.Context, next func(context.Context) (backend.Stats, error)) (backend.Stats, error) {
			stats, err := next(ctx)
			stats.Facts = 2_000_000
			return stats, err
		},
		Features: func(f backend.Features) backend.Features {
			f.AllIDs = false
			return f
		},
		Write: func(ctx context.Context, batches []backend.Batch, next func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
			if len(batches[0].Facts) > 1 {
				return []backend.Written{{Err: errors.ErrUnsupported}}
			}
			written = append(written, batches[0].Facts[0].ID)
			return next(ctx, batches...)
		},
	})
	run := func(facts ...backend.Fact) (*importer, error) {
		i, err := newImporter(t.Context(), log)
		require.NoError(t, err)
		return i, i.addAll(t.Context(), func(yield func(backend.Fact, error) bool) {
			for _, f := range facts {
				if !yield(f, nil) {
					return
				}
			}
		})
	}
	i, err := run(fact("a", "1"), fact("c", "3"), fact("d", "4"), fact("c", "3"))
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 2, 4}, []uint64{i.New, i.Known, i.last})
	require.Equal(t, []string{"c", "d"}, written)

	_, err = run(fact("b", "3"), fact("e", "5"))
	require.ErrorIs(t, err, backend.ErrIDReused)
	require.NotContains(t, written, "e")

	var values []string
	for f, err := range backend.Facts(held.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		values = append(values, string(f.Value))
	}
	require.Equal(t, []string{"1", "2", "3", "4"}, values)
}

// imported imports facts to a log.
func imported(t *testing.T, to backend.Log, facts ...backend.Fact) (*importer, error) {
	i, err := newImporter(t.Context(), to)
	require.NoError(t, err)
	return i, i.addAll(t.Context(), func(yield func(backend.Fact, error) bool) {
		for _, f := range facts {
			if !yield(f, nil) {
				return
			}
		}
	})
}

// TestImporterCounts imports to a log that remembers all IDs: a part, then all, with a fact that comes twice. The answer to
// one write is lost, so that the client writes it again: its facts count as new.
func TestImporterCounts(t *testing.T) {
	held := memory.New(memory.Options{})
	defer held.Close()
	log := backend.Intercept(held, backend.Hooks{
		Write: func(ctx context.Context, batches []backend.Batch, next func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
			_ = next(ctx, batches...)
			return next(ctx, batches...)
		},
	})
	var facts []backend.Fact
	for n := range 2*batchFacts + 1 {
		facts = append(facts, backend.Fact{ID: fmt.Sprint(n), Store: "s", Key: "k", Value: []byte("1"), ValueHash: "h"})
	}
	i, err := imported(t, log, facts[700:]...)
	require.NoError(t, err)
	require.Nil(t, i.seen)
	require.EqualValues(t, []uint64{301, 0}, []uint64{i.New, i.Known})
	i, err = imported(t, log, append(facts, facts[:3]...)...)
	require.NoError(t, err)
	require.EqualValues(t, []uint64{700, 304}, []uint64{i.New, i.Known})
	i, err = imported(t, log, facts...)
	require.NoError(t, err)
	require.EqualValues(t, []uint64{0, 1001}, []uint64{i.New, i.Known})
}

// TestImporterLimit imports facts of the largest size between small ones, with keys that take six times their size as JSON:
// what is written at once fits the log's limit. A fact that does not fit is named.
func TestImporterLimit(t *testing.T) {
	const limit = 20_000
	log := memory.New(memory.Options{MaxFrame: limit})
	defer log.Close()
	fact := func(n, size int) backend.Fact {
		return backend.Fact{ID: fmt.Sprint(n), Store: "s", Key: strings.Repeat("\x01", 1024), Value: []byte(`"` + strings.Repeat("x", size) + `"`), ValueHash: "h"}
	}
	var facts []backend.Fact
	for n := range 40 {
		size := 100
		if n%10 == 5 {
			for f := fact(n, size); len(wire.AppendFact(nil, &f)) < limit-200; f = fact(n, size) {
				size += 50
			}
		}
		facts = append(facts, fact(n, size))
	}
	i, err := imported(t, log, facts...)
	require.NoError(t, err)
	require.EqualValues(t, 40, i.New)
	_, err = imported(t, log, fact(41, 1), fact(42, limit), fact(43, 1))
	require.ErrorIs(t, err, backend.ErrTooLarge)
	require.ErrorContains(t, err, `fact "42"`)
}

// TestImporterRefuses imports to a log that does not remember all IDs, of which a part can be read: it is not known whether
// it has the facts of other stores.
func TestImporterRefuses(t *testing.T) {
	held := memory.New(memory.Options{})
	defer held.Close()
	log := backend.Intercept(held, backend.Hooks{Features: func(f backend.Features) backend.Features {
		f.AllIDs, f.Stores = false, []string{"mine"}
		return f
	}})
	fact := backend.Fact{ID: "a", Store: "mine", Key: "k", Value: []byte("1"), ValueHash: "h"}
	_, err := imported(t, log, fact)
	require.NoError(t, err)
	fact.ID, fact.Store = "b", "other"
	_, err = imported(t, log, fact)
	require.ErrorIs(t, err, backend.ErrForbidden)
}
