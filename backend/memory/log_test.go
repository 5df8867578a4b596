// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/wire"
)

func fact(n int) backend.Fact {
	return backend.Fact{ID: fmt.Sprint("f", n), Store: "s", Key: fmt.Sprint("k", n%100), Value: []byte(fmt.Sprintf(`{"n":%d}`, n))}
}

// fill writes n facts with values of about size bytes.
func fill(t testing.TB, l *memory.Log, n, size int) {
	padding := bytes.Repeat([]byte("x"), size)
	for i := range n {
		f := fact(i)
		f.Value = fmt.Appendf(nil, `{"n":%d,"padding":"%s"}`, i, padding)
		_, err := l.WriteFact(t.Context(), f)
		require.NoError(t, err)
	}
}

func from(seq uint64) backend.Range { return backend.Range{After: backend.Cursor{Seq: seq}} }

// write writes one batch.
func write(ctx context.Context, l *memory.Log, b backend.Batch) ([]backend.Fact, error) {
	w := l.Write(ctx, b)[0]
	return w.Facts, w.Err
}

func seqs(t testing.TB, l *memory.Log, after uint64) []uint64 {
	var all []uint64
	for f, err := range backend.Facts(l.Replay(t.Context(), from(after))) {
		require.NoError(t, err)
		all = append(all, f.Seq)
	}
	return all
}

func TestOpenByName(t *testing.T) {
	b, err := backend.Open(t.Context(), "memory", backend.Config{})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	_, err = backend.Open(t.Context(), "memory", backend.Config{Path: "x"})
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.ErrorContains(t, err, "path")
}

func TestReadingAcrossChunks(t *testing.T) {
	l := memory.New(memory.Options{})
	defer l.Close()
	fill(t, l, 1000, 20_000) // 20 MB: more than four chunks
	for _, after := range []uint64{0, 7, 500, 999, 1000} {
		want := []uint64(nil)
		for seq := after + 1; seq <= 1000; seq++ {
			want = append(want, seq)
		}
		require.Equal(t, want, seqs(t, l, after))
	}
}

// A reader that pauses in a loop's body keeps its position while the log is pruned, compacted and written to.
func TestReadersKeepTheirPlace(t *testing.T) {
	l := memory.New(memory.Options{})
	defer l.Close()
	fill(t, l, 2000, 1000)
	var replayed, followed []uint64
	for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		replayed = append(replayed, f.Seq)
		if f.Seq == 10 || f.Seq == 1999 {
			_, err := l.Prune(t.Context(), slices.Values([]uint64{5, 1000, 1001, 2000}), backend.Horizon{})
			require.NoError(t, err)
			require.NoError(t, l.WriteSnapshot(t.Context(), 0))
			_, err = l.WriteFact(t.Context(), fact(int(10_000+f.Seq)))
			require.NoError(t, err)
		}
	}
	require.True(t, slices.IsSorted(replayed))
	require.Subset(t, replayed, seqs(t, l, 0)[:1996], "nothing that is left is passed over")
	for f, err := range backend.Facts(l.Follow(t.Context(), from(1990))) {
		require.NoError(t, err)
		followed = append(followed, f.Seq)
		if f.Seq == 1995 {
			_, err := l.Prune(t.Context(), slices.Values([]uint64{1997}), backend.Horizon{})
			require.NoError(t, err)
		}
		if f.Seq == 2002 {
			break
		}
	}
	require.Equal(t, uint64(2002), followed[len(followed)-1])
	require.Subset(t, followed, []uint64{1991, 1996, 1998, 1999, 2001, 2002})
}

func TestSnapshotGivesRoomBack(t *testing.T) {
	l := memory.New(memory.Options{})
	defer l.Close()
	fill(t, l, 20_000, 1000)
	before := heap()
	kept := func(seq uint64) bool { return seq%10 == 0 }
	_, err := l.Prune(t.Context(), func(yield func(uint64) bool) {
		for seq := uint64(1); seq <= 20_000; seq++ {
			if !kept(seq) && !yield(seq) {
				return
			}
		}
	}, backend.Horizon{})
	require.NoError(t, err)
	want := seqs(t, l, 0)
	require.Len(t, want, 2000)
	require.NoError(t, l.WriteSnapshot(t.Context(), 10_000))
	require.Equal(t, want, seqs(t, l, 0))
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	require.Equal(t, want, seqs(t, l, 0))
	require.Less(t, heap(), before/3)
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(2000), stats.Facts)
	require.Equal(t, uint64(10), stats.FirstSeq)
	require.Equal(t, uint64(20_000), stats.LastSeq)
	require.Zero(t, stats.DurableSeq, "RAM is not durable")
	runtime.KeepAlive(l)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Facts that are repeatedly pruned and written leak no memory.
func TestPruningDoesNotLeak(t *testing.T) {
	l := memory.New(memory.Options{})
	defer l.Close()
	var settled uint64
	for round := range 6 {
		for i := range 5000 {
			f := fact(i)
			f.ID = fmt.Sprint(round, "-", i)
			_, err := l.WriteFact(t.Context(), f)
			require.NoError(t, err)
		}
		report, err := l.Prune(t.Context(), slices.Values(seqs(t, l, 0)), backend.Horizon{})
		require.NoError(t, err)
		require.Equal(t, backend.PruneReport{Pruned: 5000}, report)
		if round == 2 {
			settled = heap()
		}
	}
	require.Less(t, heap(), settled+1<<20)
}

// Only bytes that the log would add count toward the limit: not white space around values, and not held facts.
func TestSizeOfNewFactsCounts(t *testing.T) {
	l := memory.New(memory.Options{MaxFrame: 300, Now: func() time.Time { return time.Unix(5, 0) }})
	defer l.Close()
	space := bytes.Repeat([]byte(" \n"), 1000)
	f := fact(0)
	f.Value = slices.Concat(space, f.Value, space)
	f.Producer, f.Derivation = slices.Concat(space, []byte("null")), slices.Concat([]byte("[]"), space)
	held, err := l.WriteFact(t.Context(), f)
	require.NoError(t, err)
	require.Equal(t, `{"n":0}`, string(held.Value))
	require.Less(t, cap(held.Value), 100, "a returned fact keeps no spare memory")

	log := []backend.Fact{held}
	for n := 1; n < 10; n++ {
		held, err := l.WriteFact(t.Context(), fact(n))
		require.NoError(t, err)
		log = append(log, held)
	}
	batch := backend.Batch{}
	for n := range 10 {
		batch.Facts = append(batch.Facts, fact(n))
	}
	got, err := write(t.Context(), l, batch)
	require.NoError(t, err)
	require.Equal(t, log, got)

	// A fact that just fits, and is the only new one of its batch.
	largest := fact(10)
	largest.Causation = "given"
	for n := 1; ; n++ {
		longer := largest
		longer.ID, longer.Value = fmt.Sprintf("try%06d", n), fmt.Appendf(nil, "%0*d", n, 7)
		longer.Value[0] = '7'
		if _, err = l.WriteFact(t.Context(), longer); err != nil {
			require.ErrorIs(t, err, backend.ErrTooLarge)
			break
		}
		largest.Value = longer.Value
	}
	largest.ID = "try000000"
	batch.Facts = append(batch.Facts, largest)
	got, err = write(t.Context(), l, batch)
	require.NoError(t, err)
	require.Equal(t, largest.ID, got[10].ID)
	batch.Facts = append(batch.Facts, fact(11), fact(12))
	_, err = write(t.Context(), l, batch)
	require.ErrorIs(t, err, backend.ErrTooLarge)
}

// A fact beyond the limit is refused for its size, whatever else is wrong with it, since it is not checked further.
func TestSizeComesFirst(t *testing.T) {
	large := bytes.Repeat([]byte("?"), wire.MaxMaxFrame+1)
	for _, limit := range []int{0, 1 << 10, wire.MaxMaxFrame, 1 << 30} {
		l := memory.New(memory.Options{MaxFrame: limit})
		defer l.Close()
		actual := min(cmp.Or(limit, wire.DefaultMaxFrame), wire.MaxMaxFrame)
		f := fact(1)
		f.Value = large[:actual+1]
		_, err := l.WriteFact(t.Context(), f)
		require.ErrorIs(t, err, backend.ErrTooLarge)
		require.ErrorContains(t, err, fmt.Sprint(actual))
		_, err = write(t.Context(), l, backend.Batch{Facts: []backend.Fact{fact(2), f}})
		require.ErrorIs(t, err, backend.ErrTooLarge)
		f.Value = f.Value[:actual]
		_, err = l.WriteFact(t.Context(), f)
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
}

func TestFramesOfAnyLimit(t *testing.T) {
	l := memory.New(memory.Options{MaxFrame: 300})
	defer l.Close()
	f := fact(1)
	written, err := l.WriteFact(t.Context(), f)
	require.NoError(t, err)
	f = fact(2)
	f.Value = append(append([]byte{'"'}, bytes.Repeat([]byte("x"), 300)...), '"')
	_, err = l.WriteFact(t.Context(), f)
	require.ErrorIs(t, err, backend.ErrTooLarge)
	_, err = write(t.Context(), l, backend.Batch{Facts: []backend.Fact{fact(2), fact(3)}})
	require.ErrorIs(t, err, backend.ErrTooLarge, "a batch is one frame")
	next, err := l.WriteFact(t.Context(), fact(101))
	require.NoError(t, err)
	require.Equal(t, uint64(2), next.Seq, "what was refused took no place")
	require.Equal(t, written.ID, next.Causation)
}

// A batch with the empty key, which is new, is refused after each of many keys of one length: existing keys keep their
// latest facts.
func TestRefusedEmptyKey(t *testing.T) {
	for size := 16; size <= backend.MaxKeyLen; size *= 4 {
		l := memory.New(memory.Options{})
		defer l.Close()
		of := func(id, key string) backend.Fact {
			return backend.Fact{ID: id, Store: "s", Key: key, Value: []byte("1")}
		}
		key := func(n int) string { return fmt.Sprintf("%0*d", size, n) }
		keys := 128<<10/size + 1
		for n := range keys {
			_, err := l.WriteFact(t.Context(), of(fmt.Sprint(n), key(n)))
			require.NoError(t, err)
			_, err = write(t.Context(), l, backend.Batch{Facts: []backend.Fact{of("new", ""), of("0", "other")}})
			require.ErrorIs(t, err, backend.ErrIDReused)
		}
		for n := range keys {
			id := fmt.Sprint(n)
			_, err := write(t.Context(), l, backend.Batch{
				Facts:  []backend.Fact{of("second"+id, key(n))},
				Expect: []backend.Expect{{Store: "s", Key: key(n), ID: id}, {Store: "s"}},
			})
			require.NoError(t, err)
		}
	}
}

func TestClockThatRunsBackwards(t *testing.T) {
	now := time.Unix(100, 5)
	l := memory.New(memory.Options{Now: func() time.Time { now = now.Add(-time.Second); return now }})
	defer l.Close()
	for i := range 3 {
		f, err := l.WriteFact(t.Context(), fact(i))
		require.NoError(t, err)
		require.Equal(t, time.Unix(99, 5+int64(i)).UTC(), f.TransactionTime)
	}
}

// Everything at once, for the race detector and the checks at the end of the test.
func TestEverythingAtOnce(t *testing.T) {
	l := memory.New(memory.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				f := fact(i)
				f.ID = fmt.Sprint(w, "-", i)
				if _, err := l.WriteFact(ctx, f); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var followers sync.WaitGroup
	for range 3 {
		followers.Go(func() {
			last := uint64(0)
			for f, err := range backend.Facts(l.Follow(ctx, backend.Range{})) {
				if err != nil {
					t.Error(err)
					return
				}
				if f.Seq <= last {
					t.Errorf("seq %d after %d", f.Seq, last)
				}
				if last = f.Seq; last == 8000 {
					return
				}
			}
		})
	}
	wg.Go(func() {
		for seq := uint64(1); seq < 2000; seq += 100 {
			if _, err := l.Prune(ctx, slices.Values([]uint64{seq}), backend.Horizon{}); err != nil {
				t.Error(err)
			}
			if err := l.WriteSnapshot(ctx, seq); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	followers.Wait()
	cancel()
	require.NoError(t, l.Close())
}
