// SPDX-License-Identifier: Apache-2.0

package file

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// TestIndexInParts makes snapshots of snapshots with an index that is written in parts, and prunes the latest facts of keys: the
// log knows each key's latest fact that is left, and all IDs, also when it is opened again.
func TestIndexInParts(t *testing.T) {
	defer func(blocks, keys int) { format.MaxIndexBlocks, format.MaxIndexKeys = blocks, keys }(format.MaxIndexBlocks, format.MaxIndexKeys)
	format.MaxIndexBlocks, format.MaxIndexKeys = 1, 10
	random := rand.New(rand.NewPCG(1, 2))
	d := vfstest.New()
	opts := Options{fs: d, Sync: SyncNever}
	l, err := Open(t.Context(), Options{Path: "/log", fs: d, Sync: SyncNever})
	require.NoError(t, err)
	latest := map[string][]backend.Fact{} // by key, what is left
	n := 0
	write := func() {
		n++
		f := backend.Fact{ID: fmt.Sprint("fact-", n), Store: fmt.Sprint("store", n%2), Key: fmt.Sprint(random.IntN(20)), Value: json.RawMessage("1")}
		w, err := l.WriteFact(t.Context(), f)
		require.NoError(t, err)
		key := w.Store + w.Key
		before := ""
		if left := latest[key]; len(left) > 0 {
			before = left[len(left)-1].ID
		}
		require.Equal(t, before, w.Causation, "%d", n)
		latest[key] = append(latest[key], w)
	}
	for range 4 {
		for range 150 {
			write()
		}
		require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		var gone []uint64
		for key, left := range latest {
			if len(left) > 3 {
				gone = append(gone, left[len(left)-1].Seq, left[len(left)-2].Seq)
				latest[key] = left[:len(left)-2]
			}
		}
		report, err := l.Prune(t.Context(), slices.Values(gone), backend.Horizon{})
		require.NoError(t, err)
		require.EqualValues(t, len(gone), report.Pruned)
		for range 40 {
			write()
		}
		require.NoError(t, l.Close())
		l = openTest(t, opts)
		require.NotContains(t, l.Report().Read, snapshotName(uint64(n))) // its index was used
		for _, left := range latest {
			for _, f := range left {
				again, err := l.WriteFact(t.Context(), backend.Fact{ID: f.ID, Store: f.Store, Key: f.Key, Value: f.Value})
				require.NoError(t, err)
				require.Equal(t, f.Seq, again.Seq)
			}
		}
		write()
	}
	for name := range d.Files("/log") {
		require.NotContains(t, name, tempExt)
	}
}
