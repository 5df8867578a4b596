// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/schollz/progressbar/v3"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/cmd/igniter/internal/archive"
)

// TestBackupPrunedMeanwhile has facts replaced and pruned while the log is read, twice: the backup adds pieces until it has
// what replaced them, so that a log restored from it has the answer.
func TestBackupPrunedMeanwhile(t *testing.T) {
	held := memory.New(memory.Options{})
	defer held.Close()
	write := func(n int) {
		_, err := held.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(n), Store: "s", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
	}
	write(1)
	write(2)
	loops := 0
	log := backend.Intercept(held, backend.Hooks{
		Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			if loops++; loops <= 2 {
				write(2 + loops)
				seq := uint64(1 + loops) // the answer until the one that was just written
				_, err := held.Prune(ctx, slices.Values([]uint64{seq}), backend.Horizon{Seq: seq + 1})
				require.NoError(t, err)
			}
			return next(ctx, r)
		},
	})
	stats, err := log.Stats(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	c := &copier{log: log, stats: stats, bar: progressbar.DefaultSilent(1)}
	report, err := c.toDir(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, 3, loops)
	require.EqualValues(t, 4, report.Through)
	require.EqualValues(t, 2, report.Facts)

	lines, err := archive.Find(nil, dir)
	require.NoError(t, err)
	require.Len(t, lines, 1)
	require.Len(t, lines[0].Pieces, 3)
	r := lines[0].Read(report.Through)
	var ids []string
	for f, err := range backend.Facts(r.Pages()) {
		require.NoError(t, err)
		ids = append(ids, f.ID)
	}
	require.Equal(t, []string{"1", "4"}, ids)
	restored, err := r.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 4, restored.Horizon("s").Seq)
}
