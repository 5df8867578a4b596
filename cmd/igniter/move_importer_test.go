package main

import (
	"context"
	"errors"
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
			stats.Facts = remembered
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
