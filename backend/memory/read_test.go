// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// fillBatches writes batches of 1 to 5 facts in three stores, of which some have values with line ends, so
// that they make several chunks. It returns the facts, batch by batch.
func fillBatches(t *testing.T, l *Log, batches int) [][]backend.Fact {
	var all [][]backend.Fact
	for n := range batches {
		var b backend.Batch
		for i := range 1 + n%5 {
			value := append([]byte("["), bytes.Repeat([]byte("7"), 200)...)
			if n%7 == 6 {
				value = append(value, '\n')
			}
			b.Facts = append(b.Facts, backend.Fact{
				ID: fmt.Sprint(n, "-", i), Store: "s" + string("abc"[(n+i)%3]), Key: fmt.Sprint(i), Value: append(value, ']'),
			})
		}
		w := l.Write(t.Context(), b)[0]
		require.NoError(t, w.Err)
		all = append(all, w.Facts)
	}
	return all
}

// read returns the batches of pages, and the last Through. It checks the rules of pages.
func read(t *testing.T, l *Log, r backend.Range) (batches [][]backend.Fact, through uint64) {
	var facts []backend.Fact
	through = r.After.Seq
	n := 0
	for p, err := range l.Replay(t.Context(), r) {
		require.NoError(t, err)
		require.True(t, n == 0 || len(p.Facts) > 0 || p.Through.Seq > through, "an empty page that tells nothing")
		n++
		for _, f := range p.Facts {
			require.Greater(t, f.Seq, through)
			through = f.Seq
			facts = append(facts, f)
		}
		require.GreaterOrEqual(t, p.Through.Seq, through)
		through = p.Through.Seq
	}
	require.Positive(t, n)
	for p, err := range l.ReplayFrames(t.Context(), r) {
		require.NoError(t, err)
		n := 0
		for rest := p.Bytes; len(rest) > 0; {
			var body []byte
			var batch []backend.Fact
			body, rest, _ = wire.CutFrame(rest)
			batch, err = wire.ParseGroup(nil, body)
			require.NoError(t, err)
			batches = append(batches, batch)
			n += len(batch)
		}
		require.Equal(t, n, p.Facts)
		require.Less(t, len(p.Bytes), 2*backend.PageSize)
	}
	require.Less(t, n, 40, "pages are large")
	require.Equal(t, facts, slices.Concat(batches...), "Replay and ReplayFrames have the same facts")
	return batches, through
}

// TestPages reads all kinds of ranges before and after a prune and a snapshot. Batches stay whole, and each read reports
// its Through.
func TestPages(t *testing.T) {
	l := New(Options{})
	defer l.Close()
	all := fillBatches(t, l, 800)
	last := all[len(all)-1][len(all[len(all)-1])-1].Seq
	require.Greater(t, len(l.chunks), 4)
	check := func() {
		random := rand.New(rand.NewPCG(1, 2))
		for range 15 {
			r := backend.Range{After: backend.Cursor{Seq: random.Uint64N(last + 1)}}
			if random.IntN(2) == 0 {
				r.Through = 1 + random.Uint64N(last+5)
			}
			switch random.IntN(4) {
			case 0:
				r.Stores = []string{}
			case 1:
				r.Stores = []string{"sb"}
			case 2:
				r.Stores = []string{"sc", "sa"}
			}
			var want [][]backend.Fact
			for _, batch := range all {
				var part []backend.Fact
				for _, f := range batch {
					if f.Seq > r.After.Seq && (r.Through == 0 || f.Seq <= r.Through) && r.Has(f.Store) {
						part = append(part, f)
					}
				}
				if len(part) > 0 {
					want = append(want, part)
				}
			}
			end := last
			if r.Through != 0 {
				end = min(end, r.Through)
			}
			got, through := read(t, l, r)
			require.Equal(t, want, got, "%+v", r)
			require.Equal(t, max(end, r.After.Seq), through, "%+v", r)
		}
	}
	check()

	gone := map[uint64]bool{}
	for seq := last - 20; seq <= last; seq++ {
		gone[seq] = true // the tail
	}
	for seq := uint64(1); seq < last; seq += 4 {
		gone[seq] = true
	}
	_, err := l.Prune(t.Context(), func(yield func(uint64) bool) {
		for seq := range gone {
			if !yield(seq) {
				return
			}
		}
	}, backend.Horizon{})
	require.NoError(t, err)
	for i, batch := range all {
		all[i] = slices.DeleteFunc(slices.Clone(batch), func(f backend.Fact) bool { return gone[f.Seq] })
	}
	check()
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	check()
}

// A yielded page does not change, whatever happens to the log, and changing the page does not change the log.
func TestPagesAreTheCallers(t *testing.T) {
	l := New(Options{})
	defer l.Close()
	all := fillBatches(t, l, 10)
	for p, err := range l.Replay(t.Context(), backend.Range{}) {
		require.NoError(t, err)
		for _, f := range p.Facts {
			clear(f.Value)
		}
	}
	got, _ := read(t, l, backend.Range{})
	require.Equal(t, all, got)
}

// FollowFrames shares the log's memory, and reports progress of Through over facts of other stores.
func TestFollowFrames(t *testing.T) {
	l := New(Options{})
	fillBatches(t, l, 3)
	last := l.last()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var throughs []uint64
	for p, err := range l.FollowFrames(ctx, backend.Range{Stores: []string{"other"}}) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
		throughs = append(throughs, p.Through.Seq)
		store := "s"
		switch len(throughs) {
		case 2:
			store = "other"
		case 3:
			require.Equal(t, 1, p.Facts)
			cancel()
		default:
			require.Empty(t, p.Bytes)
		}
		_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("later", len(throughs)), Store: store, Key: "k", Value: []byte("1")})
		require.NoError(t, err)
	}
	require.Equal(t, []uint64{last, last + 1, last + 2}, throughs)
	for p, err := range l.FollowFrames(t.Context(), backend.Range{}) {
		require.NoError(t, err)
		require.Same(t, &l.chunks[0].frames[0], &p.Bytes[0])
		break
	}
	require.NoError(t, l.Close())
	for _, err := range l.FollowFrames(t.Context(), backend.Range{}) {
		require.ErrorIs(t, err, backend.ErrClosed)
	}
}

// A cursor beyond the log's end is refused; one at a pruned tail is not.
func TestCursors(t *testing.T) {
	l := New(Options{})
	defer l.Close()
	fillBatches(t, l, 3) // 6 facts
	_, err := l.Prune(t.Context(), slices.Values([]uint64{5, 6}), backend.Horizon{})
	require.NoError(t, err)
	_, through := read(t, l, backend.Range{After: backend.Cursor{Seq: 6}})
	require.Equal(t, uint64(6), through)
	beyond := backend.Range{After: backend.Cursor{Seq: 7}}
	for _, err := range l.Replay(t.Context(), beyond) {
		var diverged *backend.DivergedError
		require.ErrorAs(t, err, &diverged)
		require.Equal(t, uint64(6), diverged.Common)
	}
	for _, err := range l.Follow(t.Context(), beyond) {
		require.ErrorIs(t, err, backend.ErrDiverged)
	}
}

// When a large batch is written again, it is not decoded once for each of its facts.
func TestWritingALargeBatchAgain(t *testing.T) {
	l := New(Options{})
	defer l.Close()
	b := backend.Batch{Facts: make([]backend.Fact, 5_000)}
	for i := range b.Facts {
		b.Facts[i] = backend.Fact{ID: fmt.Sprint(i), Store: "s", Key: fmt.Sprint(i), Value: []byte("[\n1]")}
	}
	first := l.Write(t.Context(), b)[0]
	require.NoError(t, first.Err)
	require.Equal(t, uint64(1), first.First)
	again := l.Write(t.Context(), b)[0]
	require.NoError(t, again.Err)
	require.Zero(t, again.First)
	require.Equal(t, first.Facts, again.Facts)
}
