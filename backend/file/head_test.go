// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
	"github.com/igniter-store/igniter/internal/merkle"
)

// look lets a new headKeeper compute the head of a log now.
func look(l *Log) backend.Head {
	indexNow(l)
	(&headKeeper{log: l, last: l.state.Load().last, between: func() {}}).look(context.Background())
	return *l.head.Load()
}

// rootOf returns the root over facts, as RFC 6962 defines it.
func rootOf(facts []backend.Fact) merkle.Hash {
	var leaves format.Leaves
	if len(facts) == 1 {
		return leaves.Of(&facts[0]).Hash
	}
	k := 1
	for 2*k < len(facts) {
		k *= 2
	}
	left, right := rootOf(facts[:k]), rootOf(facts[k:])
	return merkle.Leaf(slices.Concat([]byte{1}, left[:], right[:])) // a node has another prefix than a leaf
}

// The head stays the same when facts are pruned, a snapshot is made, or the log is opened again. Verify proves earlier
// heads.
func TestHead(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		disk := vfstest.New()
		opts := Options{Path: "/log", fs: disk, SegmentSize: minSegment}
		open := func() *Log {
			l, err := Open(context.Background(), opts)
			require.NoError(r, err)
			return l
		}
		l := open()
		defer func() { require.NoError(r, l.Close()) }()
		var all []backend.Fact
		var kept []backend.Checkpoint
		pruned := map[uint64]bool{}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			switch rapid.IntRange(0, 5).Draw(r, "step") {
			case 0:
				from := rapid.Uint64Range(1, uint64(len(all))+1).Draw(r, "prune from")
				to := rapid.Uint64Range(from, min(from+20, uint64(len(all))+1)).Draw(r, "prune to")
				every := rapid.Uint64Range(1, 3).Draw(r, "every")
				_, err := l.Prune(context.Background(), func(yield func(uint64) bool) {
					for seq := from; seq < to; seq += every {
						if pruned[seq] = true; !yield(seq) {
							return
						}
					}
				}, backend.Horizon{})
				require.NoError(r, err)
			case 1:
				require.NoError(r, l.WriteSnapshot(context.Background(), uint64(rapid.IntRange(0, len(all)).Draw(r, "snapshot"))))
			case 2:
				require.NoError(r, l.Close())
				if rapid.Bool().Draw(r, "without indexes") {
					entries, err := disk.ReadDir(opts.Path)
					require.NoError(r, err)
					for _, e := range entries {
						if strings.HasSuffix(e.Name(), indexExt) {
							require.NoError(r, disk.Remove(opts.Path+"/"+e.Name()))
						}
					}
				}
				l = open()
			default:
				var b backend.Batch
				for range rapid.IntRange(1, 9).Draw(r, "facts") {
					b.Facts = append(b.Facts, backend.Fact{ID: fmt.Sprint(len(all), "-", len(b.Facts)), Store: "s", Key: fmt.Sprint(len(all)), Value: json.RawMessage(fmt.Sprintf(`{"n":%d,"text":"%0300d"}`, len(all), len(b.Facts)))})
				}
				w := l.Write(context.Background(), b)[0]
				require.NoError(r, w.Err)
				all = append(all, w.Facts...)
			}
			if len(all) == 0 {
				continue
			}
			h := look(l)
			require.EqualValues(r, len(all), h.Through)
			require.Equal(r, backend.RootHash(rootOf(all)), h.Root)
			if rapid.Bool().Draw(r, "keep") {
				s, err := l.Stats(context.Background())
				require.NoError(r, err)
				c, ok := s.Checkpoint()
				require.True(r, ok)
				kept = append(kept, c)
			}
		}
		require.NoError(r, l.Close())
		if rapid.Bool().Draw(r, "the latest first") {
			slices.Reverse(kept)
		}
		report, err := verify(context.Background(), opts, kept...)
		require.NoError(r, err)
		require.Empty(r, report.Damage)
		require.Len(r, report.Checkpoints, len(kept))
		for i, c := range report.Checkpoints {
			require.Equal(r, kept[i], c.Checkpoint)
			if leaves := kept[i].Head.Leaves; !pruned[leaves] || !pruned[leaves+1] {
				require.True(r, c.Holds, c.Reason)
			}
			require.Equal(r, c.Holds, c.Reason == "")
		}
		require.EqualValues(r, len(pruned), report.Pruned)
		require.Zero(r, report.Gone)
		if len(all) > 0 {
			require.Equal(r, backend.RootHash(rootOf(all)), report.Head.Root)
		}
		l = open()
	})
}

// A checkpoint does not hold if a fact was changed or taken away without a record, even where every CRC is right, or if it
// is of another log or of facts that the log does not have.
func TestForgedHistory(t *testing.T) {
	dir := t.TempDir()
	write := func(dir string, values ...string) backend.Checkpoint {
		l, err := Open(t.Context(), Options{Path: dir})
		require.NoError(t, err)
		for i, v := range values {
			_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "s", Key: "k", Value: json.RawMessage(v)})
			require.NoError(t, err)
		}
		look(l)
		s, err := l.Stats(t.Context())
		require.NoError(t, err)
		c, ok := s.Checkpoint()
		require.True(t, ok)
		require.NoError(t, l.Close())
		return c
	}
	honest := write(dir, "1", "2", "3")
	forge := func(change func(p *backend.Page)) string {
		forged := t.TempDir()
		l, err := Open(t.Context(), Options{Path: dir})
		require.NoError(t, err)
		stats := func(ctx context.Context) (backend.Stats, error) { return l.Stats(ctx) }
		_, err = Restore(t.Context(), Options{Path: forged}, stats, func(yield func(backend.Page, error) bool) {
			for p, err := range l.Replay(t.Context(), backend.Range{}) {
				change(&p)
				if !yield(p, err) {
					return
				}
			}
		})
		require.NoError(t, err)
		require.NoError(t, l.Close())
		return forged
	}
	verify := func(dir string, c backend.Checkpoint) CheckpointReport {
		report, err := Verify(t.Context(), dir, c)
		require.NoError(t, err)
		require.Empty(t, report.Damage)
		return report.Checkpoints[0]
	}
	require.True(t, verify(dir, honest).Holds)
	same := forge(func(*backend.Page) {})
	require.Empty(t, verify(same, honest).Reason, "a restored log has the facts of its ancestor")

	changed := forge(func(p *backend.Page) { p.Facts[1].Key = "other" })
	require.Contains(t, verify(changed, honest).Reason, "some were changed")
	gone := forge(func(p *backend.Page) { p.Facts = slices.Delete(p.Facts, 1, 2) })
	require.Contains(t, verify(gone, honest).Reason, "gone without a record")
	report, err := Verify(t.Context(), gone)
	require.NoError(t, err)
	require.Equal(t, []Gap{{2, 2}}, report.GoneSeqs)
	require.EqualValues(t, 1, report.Gone)

	other := write(t.TempDir(), "1", "2", "3")
	require.Contains(t, verify(dir, other).Reason, "of another log")
	longer := honest
	longer.Head.Leaves++
	require.Contains(t, verify(dir, longer).Reason, "ends at seq 3")
	beyond := write(same, "1", "2", "3", "4") // the first three are known
	require.EqualValues(t, 4, beyond.Head.Leaves)
	report, err = Verify(t.Context(), same, beyond, func() backend.Checkpoint { c := beyond; c.Log = honest.Log; return c }())
	require.NoError(t, err)
	require.True(t, report.Checkpoints[0].Holds)
	require.Contains(t, report.Checkpoints[1].Reason, "goes on from after seq 3")
}

// A checkpoint inside a run of facts that were pruned together can't be proven, and says so.
func TestCheckpointInsidePruned(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(t.Context(), Options{Path: dir})
	require.NoError(t, err)
	var kept []backend.Checkpoint
	for i := range 8 {
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "s", Key: "k", Value: json.RawMessage("1")})
		require.NoError(t, err)
		look(l)
		s, err := l.Stats(t.Context())
		require.NoError(t, err)
		c, _ := s.Checkpoint()
		kept = append(kept, c)
	}
	_, err = l.Prune(t.Context(), func(yield func(uint64) bool) { _ = yield(1) && yield(2) && yield(3) && yield(4) }, backend.Horizon{})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	report, err := Verify(t.Context(), dir, kept...)
	require.NoError(t, err)
	for i, c := range report.Checkpoints {
		if i < 3 {
			require.Contains(t, c.Reason, "can't be proven")
		} else {
			require.True(t, c.Holds, c.Reason)
		}
	}
	require.EqualValues(t, 4, report.Pruned)
}
