package file

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// framed reads what Frames yields after a seq to the log's end, and checks the runs.
func framed(t *testing.T, l wire.Framer, after uint64) (facts []backend.Fact, runs int) {
	t.Helper()
	for run, err := range l.Frames(t.Context(), after) {
		require.NoError(t, err)
		if run.Facts == 0 {
			require.Empty(t, run.Frames)
			require.NotNil(t, run.Changed)
			return facts, runs
		}
		runs++
		n := len(facts)
		for rest := run.Frames; len(rest) > 0; {
			body, next, ok := wire.CutFrame(rest)
			require.True(t, ok)
			facts, err = wire.ParseGroup(facts, slices.Clone(body))
			require.NoError(t, err)
			rest = next
		}
		require.Len(t, facts, n+run.Facts)
		require.Equal(t, run.Last, facts[len(facts)-1].Seq)
	}
	t.Fatal("the loop ended by itself")
	return nil, 0
}

// TestFrames reads a log with segments, a snapshot, groups, pruned facts and a tail in memory, after each
// seq: Frames has what Replay has, also from inside a group on.
func TestFrames(t *testing.T) {
	for _, policy := range []Sync{SyncAlways, SyncNever} {
		t.Run(string(policy), func(t *testing.T) {
			dir := t.TempDir()
			l := openTest(t, Options{Path: dir, Sync: policy, SegmentSize: minSegment})
			n := 0
			write := func(count int) {
				for range count {
					var b backend.Batch
					for range n%4 + 1 {
						n++
						b.Facts = append(b.Facts, backend.Fact{ID: fmt.Sprint("f", n), Store: "s", Key: fmt.Sprint(n % 5), Value: fmt.Appendf(nil, `{"n":%d}`, n)})
					}
					_, err := l.WriteBatch(t.Context(), b)
					require.NoError(t, err)
				}
			}
			check := func() {
				t.Helper()
				for after := range uint64(n + 2) {
					var want []backend.Fact
					for f, err := range l.Replay(t.Context(), after) {
						require.NoError(t, err)
						want = append(want, f)
					}
					got, _ := framed(t, l, after)
					require.Equal(t, want, got, "after %d", after)
				}
			}
			check()
			write(15)
			check()
			require.NoError(t, l.WriteSnapshot(t.Context(), 20))
			write(15)
			_, err := l.Prune(t.Context(), slices.Values([]uint64{1, 2, 3, 18, 19, 36, 37, 50}))
			require.NoError(t, err)
			check() // without a tail
			write(5)
			check()
			require.NoError(t, l.Close())
			for _, err := range l.Frames(t.Context(), 0) {
				require.ErrorIs(t, err, backend.ErrClosed)
			}
			l = openTest(t, Options{Path: dir, Sync: policy, SegmentSize: minSegment})
			check()
		})
	}
}

// TestFramesJoined says that what was written one by one is given out in few pieces, from the tail
// as from files, and that what comes later ends the wait.
func TestFramesJoined(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Path: dir, Sync: SyncNever})
	for n := range 1000 {
		_, err := l.WriteFact(t.Context(), newCrashFact(n, true))
		require.NoError(t, err)
	}
	_, runs := framed(t, l, 0)
	require.LessOrEqual(t, runs, 8)
	require.NoError(t, l.Close())
	l = openTest(t, Options{Path: dir, Sync: SyncNever})
	_, runs = framed(t, l, 0)
	require.LessOrEqual(t, runs, 8)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ids []string
	for run, err := range l.Frames(ctx, 1000) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		if run.Facts == 0 {
			n := 1000 + len(ids)
			if n == 1003 {
				cancel()
				continue
			}
			_, err := l.WriteFact(t.Context(), newCrashFact(n, true))
			require.NoError(t, err)
			<-run.Changed
			continue
		}
		body, _, _ := wire.CutFrame(run.Frames)
		f, err := wire.ParseFact(body)
		require.NoError(t, err)
		ids = append(ids, f.ID)
	}
	require.Equal(t, []string{newCrashFact(1000, true).ID, newCrashFact(1001, true).ID, newCrashFact(1002, true).ID}, ids)
}
