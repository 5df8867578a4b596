package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// TestFrames reads a log after each seq: Frames has what Replay has, in few pieces that are not copied,
// and ends a wait when there is more.
func TestFrames(t *testing.T) {
	l := New(Options{})
	const facts = 3000
	for n := range facts {
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(n), Store: "s", Key: "k", Value: bytes.Repeat([]byte("7"), 100)})
		require.NoError(t, err)
	}
	_, err := l.Prune(t.Context(), slices.Values([]uint64{1, 2, 1500, 3000}))
	require.NoError(t, err)
	for _, after := range []uint64{0, 1, 2, 3, 1498, 1499, 1500, 1501, 2998, 2999, 3000, 9999} {
		var want, got []backend.Fact
		for f, err := range l.Replay(t.Context(), after) {
			require.NoError(t, err)
			want = append(want, f)
		}
		runs := 0
		for run, err := range l.Frames(t.Context(), after) {
			require.NoError(t, err)
			if run.Facts == 0 {
				require.NotNil(t, run.Changed)
				break
			}
			require.LessOrEqual(t, len(run.Frames), wire.RunSize)
			runs++
			for rest := run.Frames; len(rest) > 0; {
				var body []byte
				body, rest, _ = wire.CutFrame(rest)
				f, err := wire.ParseFact(body)
				require.NoError(t, err)
				got = append(got, f)
			}
			require.Equal(t, run.Last, got[len(got)-1].Seq)
		}
		require.Equal(t, want, got, "after %d", after)
		require.Less(t, runs, 20)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seqs := []uint64{}
	for run, err := range l.Frames(ctx, 3000) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		if run.Facts > 0 {
			seqs = append(seqs, run.Last)
			cancel()
			continue
		}
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: "later", Store: "s", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		<-run.Changed
	}
	require.Equal(t, []uint64{3001}, seqs)
	require.NoError(t, l.Close())
	for _, err := range l.Frames(t.Context(), 0) {
		require.ErrorIs(t, err, backend.ErrClosed)
	}
}
