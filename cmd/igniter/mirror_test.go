// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/wire"
)

// TestMirrorDrops: facts that are pruned while a mirror looks for pruned ones go with a horizon that is late enough.
func TestMirrorDrops(t *testing.T) {
	source := memory.New(memory.Options{})
	defer source.Close()
	for i := range 9 {
		_, err := source.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "s", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
	}
	stats := func(l backend.Log) *backend.Stats {
		s, err := l.Stats(t.Context())
		require.NoError(t, err)
		return &s
	}
	prune := func(seq uint64) {
		_, err := source.Prune(t.Context(), slices.Values([]uint64{seq}), backend.Horizon{Seq: seq + 1})
		require.NoError(t, err)
	}
	copied, err := file.OpenMirror(t.Context(), file.Options{Path: t.TempDir()}, *stats(source))
	require.NoError(t, err)
	defer copied.Close()
	for p, err := range wire.FramerOf(source).ReplayFrames(t.Context(), backend.Range{}) {
		require.NoError(t, err)
		require.NoError(t, copied.Take(t.Context(), p))
	}
	prune(1)
	seen, ahead := stats(source), func() { prune(5) }
	m := &mirroring{log: zap.NewNop(), copy: copied, source: backend.Intercept(source, backend.Hooks{Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		ahead()
		return next(ctx, r)
	}})}
	_, err = m.drop(t.Context(), seen)
	require.ErrorIs(t, err, backend.ErrUnavailable, "the watch tries again")
	ahead = func() {}
	n, err := m.drop(t.Context(), stats(source))
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	require.Equal(t, stats(source).Horizons, stats(copied).Horizons)
}
