// SPDX-License-Identifier: Apache-2.0

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

// framed reads the part r of a log in frames, and checks the rules of pages. It returns each frame's facts.
func framed(t *testing.T, l wire.Framer, r backend.Range) (batches [][]backend.Fact, pages int) {
	t.Helper()
	through := r.After.Seq
	for x, err := range l.ReplayFrames(t.Context(), r) {
		require.NoError(t, err)
		pages++
		facts := 0
		for rest := x.Bytes; len(rest) > 0; {
			body, next, ok := wire.CutFrame(rest)
			require.True(t, ok)
			batch, err := wire.ParseGroup(nil, slices.Clone(body))
			require.NoError(t, err)
			for _, f := range batch {
				require.Greater(t, f.Seq, through, "a fact at or below a Through")
				require.LessOrEqual(t, f.Seq, x.Through.Seq)
			}
			batches, facts, rest = append(batches, batch), facts+len(batch), next
		}
		require.Equal(t, facts, x.Facts)
		require.GreaterOrEqual(t, x.Through.Seq, through)
		through = x.Through.Seq
	}
	return batches, pages
}

// TestEveryRange reads parts of a log with segments, a snapshot, groups, pruned facts and a tail in memory, by
// places and by stores: pages and frames have the same facts, and the batches that were written.
func TestEveryRange(t *testing.T) {
	for _, policy := range []Sync{SyncAlways, SyncNever} {
		t.Run(string(policy), func(t *testing.T) {
			dir := t.TempDir()
			l := openTest(t, Options{Path: dir, Sync: policy, SegmentSize: minSegment})
			n := 0
			var written [][]backend.Fact
			write := func(count int) {
				for range count {
					var b backend.Batch
					for range n%4 + 1 {
						n++
						b.Facts = append(b.Facts, backend.Fact{ID: fmt.Sprint("f", n), Store: fmt.Sprint("s", n%3), Key: fmt.Sprint(n % 5), Value: fmt.Appendf(nil, `{"n":%d}`, n)})
					}
					held, err := writeBatch(t.Context(), l, b)
					require.NoError(t, err)
					written = append(written, held)
				}
			}
			want := func(r backend.Range) (batches [][]backend.Fact) {
				for _, b := range written {
					b = slices.DeleteFunc(slices.Clone(b), func(f backend.Fact) bool {
						return f.Seq <= r.After.Seq || r.Through != 0 && f.Seq > r.Through || !r.Has(f.Store)
					})
					if len(b) > 0 {
						batches = append(batches, b)
					}
				}
				return batches
			}
			check := func() {
				t.Helper()
				for after := range uint64(n + 1) {
					for _, through := range []uint64{0, after, after + 7} {
						for _, stores := range [][]string{nil, {}, {"s1"}, {"s0", "s2"}} {
							r := backend.Range{After: backend.Cursor{Seq: after}, Through: through, Stores: stores}
							batches, _ := framed(t, l, r)
							require.Equal(t, want(r), batches, "%+v", r)
							var facts []backend.Fact
							last := backend.Page{}
							for p, err := range l.Replay(t.Context(), r) {
								require.NoError(t, err)
								facts, last = append(facts, p.Facts...), p
							}
							require.Equal(t, slices.Concat(batches...), facts)
							end := uint64(n)
							if through != 0 {
								end = min(end, max(through, after))
							}
							require.Equal(t, end, last.Through.Seq, "%+v", r)
						}
					}
				}
			}
			check()
			write(15)
			check()
			require.NoError(t, l.WriteSnapshot(t.Context(), 20))
			write(15)
			gone := []uint64{1, 2, 3, 18, 19, 36, 37, 50, uint64(n)}
			_, err := l.Prune(t.Context(), slices.Values(gone), backend.Horizon{})
			require.NoError(t, err)
			for i := range written {
				written[i] = slices.DeleteFunc(written[i], func(f backend.Fact) bool { return slices.Contains(gone, f.Seq) })
			}
			check() // without a tail
			write(5)
			check()
			for _, err := range l.ReplayFrames(t.Context(), since(uint64(n+1))) {
				require.ErrorIs(t, err, backend.ErrDiverged)
			}
			require.NoError(t, l.Close())
			for _, err := range l.ReplayFrames(t.Context(), backend.Range{}) {
				require.ErrorIs(t, err, backend.ErrClosed)
			}
			l = openTest(t, Options{Path: dir, Sync: policy, SegmentSize: minSegment})
			check()
		})
	}
}

// TestFramesJoined checks that facts which were written one by one come in few pages, from the tail and from files, and
// that Follow yields later facts at once.
func TestFramesJoined(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Path: dir, Sync: SyncNever})
	for n := range 1000 {
		_, err := l.WriteFact(t.Context(), newCrashFact(n, true))
		require.NoError(t, err)
	}
	_, pages := framed(t, l, backend.Range{})
	require.LessOrEqual(t, pages, 8)
	require.NoError(t, l.Close())
	l = openTest(t, Options{Path: dir, Sync: SyncNever})
	_, pages = framed(t, l, backend.Range{})
	require.LessOrEqual(t, pages, 8)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ids []string
	first := true
	for x, err := range l.FollowFrames(ctx, since(1000)) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		require.Equal(t, first, x.Facts == 0, "the first page comes at once, and is empty")
		first = false
		for rest := x.Bytes; len(rest) > 0; {
			var body []byte
			body, rest, _ = wire.CutFrame(rest)
			f, err := wire.ParseFact(body)
			require.NoError(t, err)
			ids = append(ids, f.ID)
		}
		n := 1000 + len(ids)
		if n == 1003 {
			cancel()
			continue
		}
		_, err := l.WriteFact(t.Context(), newCrashFact(n, true))
		require.NoError(t, err)
	}
	require.Equal(t, []string{newCrashFact(1000, true).ID, newCrashFact(1001, true).ID, newCrashFact(1002, true).ID}, ids)
}
