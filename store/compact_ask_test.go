// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// TestForgedReceipts: a receipt of a compaction that never took place, or names more than was pruned, makes no engine lose
// facts or hide the past: not one that follows the log, nor one that reads it from the beginning, nor one that loads the
// store later.
func TestForgedReceipts(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	for i := range 6 {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "tasks", Key: fmt.Sprint(i), Value: []byte("1")})
		require.NoError(t, err)
	}
	open := func(opts store.Options) *store.Engine {
		e, err := store.Open(t.Context(), log, opts)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		return e
	}
	following, later := open(store.Options{}), open(store.Options{Stores: []string{"other"}})
	forge := func(id string, c store.Compaction) uint64 {
		value, err := json.Marshal(c)
		require.NoError(t, err)
		f, err := log.WriteFact(t.Context(), backend.Fact{ID: id, Store: store.CompactionStore, Key: c.Store, Value: value})
		require.NoError(t, err)
		return f.Seq
	}
	requireFacts := func(e *store.Engine, last uint64, want ...uint64) {
		t.Helper()
		require.NoError(t, e.WaitFor(t.Context(), last))
		var got []uint64
		for r, err := range e.Facts(t.Context(), "tasks", e.Horizon("tasks").Seq) {
			require.NoError(t, err)
			got = append(got, r.Seq())
		}
		require.Equal(t, want, got)
	}
	last := forge("forged", store.Compaction{Store: "tasks", Seqs: [][2]uint64{{1, 6}}, Facts: 6, Horizon: backend.Horizon{Seq: 6}})
	require.NoError(t, later.WaitFor(t.Context(), last))
	require.NoError(t, later.Load(t.Context(), "tasks"))
	for _, e := range []*store.Engine{following, later, open(store.Options{})} {
		requireFacts(e, last, 1, 2, 3, 4, 5, 6)
		require.Zero(t, e.Horizon("tasks"))
	}
	_, err := log.Prune(t.Context(), slices.Values([]uint64{1, 2}), backend.Horizon{Seq: 2})
	require.NoError(t, err)
	last = forge("exaggerated", store.Compaction{Store: "tasks", Seqs: [][2]uint64{{1, 5}}, Facts: 5, Horizon: backend.Horizon{Seq: 5}})
	for _, e := range []*store.Engine{following, later, open(store.Options{})} {
		requireFacts(e, last, 3, 4, 5, 6)
		require.Equal(t, uint64(2), e.Horizon("tasks").Seq)
	}
}
