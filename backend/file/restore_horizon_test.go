// SPDX-License-Identifier: Apache-2.0

package file_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
)

// horizons returns the horizons of a log.
func horizons(t *testing.T, l backend.Log) map[string]backend.Horizon {
	t.Helper()
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	return s.Horizons
}

// TestRestoreHorizons restores logs that lost facts. The new log has the horizon before which its past is incomplete. If
// its present would be incomplete, Restore fails.
func TestRestoreHorizons(t *testing.T) {
	from := openLog(t, file.Options{Path: t.TempDir()})
	at := make([]time.Time, 9)
	for i := range 8 {
		f, err := from.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("h", i), Store: fmt.Sprint("s", i%2), Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		at[f.Seq] = f.TransactionTime
	}
	prune := func(h uint64, seqs ...uint64) {
		_, err := from.Prune(t.Context(), slices.Values(seqs), backend.Horizon{Seq: h, Time: at[h]})
		require.NoError(t, err)
	}
	prune(6, 4)
	restore := func(through uint64, pages iter.Seq2[backend.Page, error], stats func(context.Context) (backend.Stats, error)) (string, error) {
		if pages == nil {
			pages = from.Replay(t.Context(), backend.Range{Through: through})
		}
		dir := t.TempDir()
		_, err := file.Restore(t.Context(), file.Options{Path: dir}, stats, pages)
		return dir, err
	}
	for through := uint64(1); through <= 8; through++ {
		dir, err := restore(through, nil, from.Stats)
		switch {
		case through < 4:
			require.NoError(t, err)
			require.Empty(t, horizons(t, openLog(t, file.Options{Path: dir})), "all facts through %d are there", through)
		case through < 6:
			require.ErrorIs(t, err, backend.ErrCompacted, "the fact that replaces the one with seq 4 is not there")
			found, err := file.Verify(t.Context(), dir)
			require.NoError(t, err)
			require.Zero(t, found.Facts)
		default:
			require.NoError(t, err)
			o := file.Options{Path: dir}
			l, err := file.Open(t.Context(), o)
			require.NoError(t, err)
			want := map[string]backend.Horizon{"s1": {Seq: 6, Time: at[6]}}
			require.Equal(t, want, horizons(t, l))
			require.NoError(t, l.WriteSnapshot(t.Context(), 0))
			require.Equal(t, want, horizons(t, l))
			require.NoError(t, l.Close())
			require.Equal(t, want, horizons(t, openLog(t, o)))
		}
	}
	_, err := restore(5, nil, func(ctx context.Context) (backend.Stats, error) {
		s, err := from.Stats(ctx)
		for store, h := range s.Horizons {
			s.Horizons[store] = h.Within(5, at[5])
		}
		return s, err
	})
	require.NoError(t, err, "the caller accepts it")

	t.Run("pruned meanwhile", func(t *testing.T) {
		// So many stores and ancestors that they do not fit into the room that was reserved for the header.
		long := func(i int) string { return strings.Repeat(fmt.Sprint(i), 250) }
		random := make([]byte, 3<<20) // more than is moved at once
		_, _ = rand.NewChaCha8([32]byte{}).Read(random)
		for i, value := range []string{`"` + base64.StdEncoding.EncodeToString(random) + `"`, "2", "3", "4"} {
			_, err := from.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("long", i), Store: long(i / 2), Key: "k", Value: []byte(value)})
			require.NoError(t, err)
		}
		pages := func(yield func(backend.Page, error) bool) {
			for p, err := range from.Replay(t.Context(), backend.Range{After: backend.Cursor{Seq: 6}}) {
				if !yield(p, err) {
					return
				}
			}
			_, err := from.Prune(t.Context(), slices.Values([]uint64{3, 9, 11}), backend.Horizon{Seq: 12})
			require.NoError(t, err)
		}
		dir, err := restore(0, pages, from.Stats)
		require.NoError(t, err)
		found, err := file.Verify(t.Context(), dir)
		require.NoError(t, err)
		require.Empty(t, found.Damage)
		require.EqualValues(t, 6, found.Facts)
		l := openLog(t, file.Options{Path: dir})
		require.Equal(t, horizons(t, from), horizons(t, l))
		require.Contains(t, horizons(t, l), long(1))
		require.Len(t, replay(t, l), 6)
		for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{After: backend.Cursor{Seq: 11}})) {
			require.NoError(t, err)
			require.EqualValues(t, 12, f.Seq)
		}
	})
}
