// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
	"github.com/igniter-store/igniter/internal/ctxsync"
)

// newFact returns a fact of about 400 bytes, with one of 1000 keys.
func newFact(n int) backend.Fact {
	return backend.Fact{
		ID: fmt.Sprintf("0197c0de-8c1a-7055-9dd2-%012x", n), Store: "tasks", Key: fmt.Sprintf("task-%06d", n%1000),
		Value: json.RawMessage(fmt.Sprintf(`{"n":%d,"title":"%s"}`, n, strings.Repeat("x", 160))),
	}
}

func openTest(t testing.TB, opts Options) *Log {
	t.Helper()
	if opts.Path == "" {
		opts.Path = "/log"
	}
	l, err := Open(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func writeSome(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		_, err := l.WriteFact(t.Context(), newFact(n))
		require.NoError(t, err)
	}
}

// since returns the part of a log after a seq.
func since(seq uint64) backend.Range { return backend.Range{After: backend.Cursor{Seq: seq}} }

func writeBatch(ctx context.Context, l backend.Log, b backend.Batch) ([]backend.Fact, error) {
	w := l.Write(ctx, b)[0]
	return w.Facts, w.Err
}

func count(t testing.TB, l *Log, after uint64) (n int) {
	t.Helper()
	for f, err := range backend.Facts(l.Replay(t.Context(), since(after))) {
		require.NoError(t, err)
		require.Greater(t, f.Seq, after)
		after = f.Seq
		n++
	}
	return n
}

// A gate stops syncs of segments until it is opened.
type gate struct {
	reached chan struct{}
	open    chan struct{}
	once    sync.Once
}

func newGate(d *vfstest.Disk) *gate {
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	d.With(func() {
		d.Fault = func(op, name string, _ int) *vfstest.Fault {
			if op == "sync" && strings.Contains(name, segmentExt) {
				g.once.Do(func() { close(g.reached) })
				<-g.open
			}
			return nil
		}
	})
	return g
}

// TestGroup lets a hundred writers wait during a sync: the next write and sync is for all of them.
func TestGroup(t *testing.T) {
	d := vfstest.New()
	l := openTest(t, Options{fs: d})
	g := newGate(d)
	var writers sync.WaitGroup
	errs := make(chan error, 101)
	write := func(n int) {
		_, err := l.WriteFact(t.Context(), newFact(n))
		errs <- err
	}
	writers.Go(func() { write(0) })
	<-g.reached
	for n := 1; n <= 100; n++ {
		writers.Go(func() { write(n) })
	}
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.queue) == 100
	}, time.Minute, time.Millisecond)
	close(g.open)
	writers.Wait()
	for range 101 {
		require.NoError(t, <-errs)
	}
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, s.Storage.Groups)
	require.EqualValues(t, 101, s.Storage.Grouped)
	require.Equal(t, 101, count(t, l, 0))
}

// TestWriteBatches writes batches in one call: they share one write and one sync, and each has a verdict of its
// own, with the seq of its first new fact.
func TestWriteBatches(t *testing.T) {
	l := openTest(t, Options{fs: vfstest.New(), MaxFrame: 4000})
	writeSome(t, l, 0, 3)
	other := newFact(1)
	other.Key = "another"
	invalid := newFact(7)
	invalid.Store = ""
	large := backend.Batch{}
	for n := range 12 {
		large.Facts = append(large.Facts, newFact(100+n))
	}
	latest := func(id string) []backend.Expect {
		return []backend.Expect{{Store: "tasks", Key: newFact(3).Key, ID: id}}
	}
	all := l.Write(t.Context(),
		backend.Batch{Facts: []backend.Fact{newFact(3), newFact(4)}},
		backend.Batch{Facts: []backend.Fact{other}},
		backend.Batch{Facts: []backend.Fact{newFact(0), newFact(1)}},             // held
		backend.Batch{Facts: []backend.Fact{newFact(2), newFact(5), newFact(3)}}, // in part
		backend.Batch{Facts: []backend.Fact{invalid}},
		backend.Batch{Expect: latest(newFact(3).ID)},
		backend.Batch{Facts: []backend.Fact{newFact(6)}, Expect: latest("")},
		large,
		backend.Batch{},
		backend.Batch{Facts: []backend.Fact{newFact(8), newFact(8)}},
	)
	type verdict struct {
		seqs  []uint64
		first uint64
		err   error
	}
	want := []verdict{
		{[]uint64{4, 5}, 4, nil}, {nil, 0, backend.ErrIDReused}, {[]uint64{1, 2}, 0, nil}, {[]uint64{3, 6, 4}, 6, nil},
		{nil, 0, backend.ErrInvalid}, {nil, 0, nil}, {nil, 0, backend.ErrConflict}, {nil, 0, backend.ErrTooLarge}, {nil, 0, nil},
		{[]uint64{7, 7}, 7, nil},
	}
	require.Len(t, all, len(want))
	for i, w := range all {
		require.ErrorIs(t, w.Err, want[i].err, i)
		var seqs []uint64
		for j := range w.Facts {
			seqs = append(seqs, w.Facts[j].Seq)
			require.Equal(t, w.First != 0 && w.Facts[j].Seq >= w.First, w.New(&w.Facts[j]))
		}
		require.Equal(t, want[i].seqs, seqs, i)
		require.Equal(t, want[i].first, w.First, i)
	}
	require.Equal(t, 7, count(t, l, 0))
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3+2, s.Storage.Groups, "a batch that may not fit the frame of those before it begins another")
	require.Empty(t, l.Write(t.Context()))

	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, w := range l.Write(done, backend.Batch{Facts: []backend.Fact{newFact(9)}}, backend.Batch{}) {
		require.ErrorIs(t, w.Err, context.Canceled)
	}
	require.Equal(t, 7, count(t, l, 0))
}

// TestGroupSize lets writers wait that together have more facts than fit a group.
func TestGroupSize(t *testing.T) {
	d := vfstest.New()
	l := openTest(t, Options{fs: d})
	g := newGate(d)
	large := strings.Repeat("x", 400<<10)
	var writers sync.WaitGroup
	for n := range 7 {
		writers.Go(func() {
			f := newFact(n)
			f.Value = json.RawMessage(`"` + large + `"`)
			_, _ = l.WriteFact(t.Context(), f)
		})
		if n == 0 {
			<-g.reached
		}
	}
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.queue) == 6
	}, time.Minute, time.Millisecond)
	close(g.open)
	writers.Wait()
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1+3, s.Storage.Groups, "two facts of 400 KiB fit a group, three do not")
	require.Equal(t, 7, count(t, l, 0))
}

// TestWhileSyncing checks that a slow sync does not delay readers, Stats, callers whose context ends and, if writes need
// not be durable, other writers. The fact of a caller that has left is still written.
func TestWhileSyncing(t *testing.T) {
	for _, own := range []bool{true, false} {
		d := vfstest.New()
		l := openTest(t, Options{fs: d})
		writeSome(t, l, 0, 10)
		g := newGate(d)
		if !own { // the sync of another write
			go func() { _, _ = l.WriteFact(context.Background(), newFact(10)) }()
			<-g.reached
		}
		done, leave := leaving(t, l, 11)
		<-g.reached
		require.Equal(t, 10, count(t, l, 0), "facts are seen once they are durable")
		s, err := l.Stats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 10, s.DurableSeq)
		leave()
		require.ErrorIs(t, <-done, context.Canceled)
		close(g.open)
		held, err := l.WriteFact(t.Context(), newFact(11))
		require.NoError(t, err)
		require.Equal(t, l.state.Load().last, held.Seq, "it was written once")
	}
	t.Run("flusher", func(t *testing.T) {
		d := vfstest.New()
		l := openTest(t, Options{fs: d, Sync: SyncInterval, SyncInterval: time.Millisecond})
		g := newGate(d)
		writeSome(t, l, 0, 1)
		<-g.reached
		writeSome(t, l, 1, 10)
		require.Equal(t, 10, count(t, l, 0))
		require.Zero(t, l.state.Load().durable)
		close(g.open)
	})
	for _, policy := range []Sync{SyncInterval, SyncNever} {
		t.Run("roll/"+string(policy), func(t *testing.T) {
			d := vfstest.New()
			l := openTest(t, Options{fs: d, Sync: policy, SyncInterval: time.Hour, SegmentSize: minSegment})
			g := newGate(d)
			for n := 0; ; n++ {
				done, leave := leaving(t, l, n)
				select {
				case err := <-done:
					require.NoError(t, err)
					continue
				case <-g.reached: // the segment is sealed
				}
				leave()
				require.ErrorIs(t, <-done, context.Canceled)
				require.Equal(t, n, count(t, l, 0))
				close(g.open)
				held, err := l.WriteFact(t.Context(), newFact(n))
				require.NoError(t, err)
				require.EqualValues(t, n+1, held.Seq)
				break
			}
		})
	}
}

// TestPatientCaller has the context of a caller end while its fact is synced: a patient caller writes and syncs it itself.
func TestPatientCaller(t *testing.T) {
	d := vfstest.New()
	l := openTest(t, Options{fs: d})
	g := newGate(d)
	done, leave := leavingWith(ctxsync.WithPatience(t.Context()), l, 0)
	<-g.reached
	leave()
	close(g.open)
	require.NoError(t, <-done)
	require.Equal(t, 1, count(t, l, 0))
}

// leaving writes a fact; done gets the answer, and leave ends the caller's context.
func leaving(t *testing.T, l *Log, n int) (done chan error, leave func()) {
	return leavingWith(t.Context(), l, n)
}

// leavingWith is leaving with a context above the caller's.
func leavingWith(ctx context.Context, l *Log, n int) (done chan error, leave func()) {
	ctx, leave = context.WithCancel(ctx)
	done = make(chan error, 1)
	go func() {
		_, err := l.WriteFact(ctx, newFact(n))
		done <- err
	}()
	return done, leave
}

// TestSizeOfNewFactsCounts writes facts with white space around their values, and a batch of held facts that would not fit
// a frame together.
func TestSizeOfNewFactsCounts(t *testing.T) {
	l := openTest(t, Options{fs: vfstest.New(), MaxFrame: 1000})
	var b backend.Batch
	for n := range 10 {
		f := newFact(n)
		b.Facts = append(b.Facts, f)
		space := strings.Repeat(" ", 2000)
		f.Value = json.RawMessage(space + string(f.Value) + space)
		f.Producer = json.RawMessage(space + "null")
		_, err := l.WriteFact(t.Context(), f)
		require.NoError(t, err)
	}
	held, err := writeBatch(t.Context(), l, b)
	require.NoError(t, err)
	require.EqualValues(t, 10, held[9].Seq)
	b.Facts = append(b.Facts, newFact(10), newFact(11))
	held, err = writeBatch(t.Context(), l, b)
	require.NoError(t, err)
	require.EqualValues(t, 12, held[11].Seq)
	b.Facts = append(b.Facts, newFact(12), newFact(13), newFact(14))
	_, err = writeBatch(t.Context(), l, b)
	require.ErrorIs(t, err, backend.ErrTooLarge)

	// A fact beyond the limit is refused for its size before its bytes are checked.
	f := newFact(15)
	f.Value = json.RawMessage(strings.Repeat("?", 1001))
	_, err = l.WriteFact(t.Context(), f)
	require.ErrorIs(t, err, backend.ErrTooLarge)
	_, err = writeBatch(t.Context(), l, backend.Batch{Facts: []backend.Fact{newFact(16), f}})
	require.ErrorIs(t, err, backend.ErrTooLarge)
	require.Equal(t, 12, count(t, l, 0))
}

// TestBatchWithLineEnds writes values with line ends, at which a group must not be split.
func TestBatchWithLineEnds(t *testing.T) {
	l := openTest(t, Options{fs: vfstest.New()})
	var b backend.Batch
	for n := range 3 {
		f := newFact(n)
		f.Value = json.RawMessage("{\n  \"n\": 1\n}")
		b.Facts = append(b.Facts, f)
	}
	_, err := writeBatch(t.Context(), l, b)
	require.NoError(t, err)
	l.update(func(s *state) { s.tail = tail{} }) // it is read from the file
	require.Equal(t, 3, count(t, l, 0))
}

// TestSpaceAhead finds zeros after the last frame while the log is open under SyncAlways; there are none once
// it is closed, or under another Sync.
func TestSpaceAhead(t *testing.T) {
	for sync, ahead := range map[Sync]bool{SyncAlways: true, SyncInterval: false, SyncNever: false} {
		l, err := Open(t.Context(), Options{Path: t.TempDir(), Sync: sync})
		require.NoError(t, err)
		writeSome(t, l, 0, 2000)
		s, err := l.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, ahead, s.Storage.AheadBytes > 0)
		info, err := vfs.OS{}.Stat(l.dir.join(segmentName(1)))
		require.NoError(t, err)
		require.GreaterOrEqual(t, uint64(info.Size()), s.Storage.SegmentBytes)
		require.Equal(t, ahead, uint64(info.Size()) > s.Storage.SegmentBytes)
		require.NoError(t, l.Close())
		info, err = vfs.OS{}.Stat(l.dir.join(segmentName(1)))
		require.NoError(t, err)
		end, err := dataEndOf(l.dir.join(segmentName(1)))
		require.NoError(t, err)
		require.Equal(t, info.Size(), end)
	}
}

func dataEndOf(path string) (int64, error) {
	f, err := vfs.OS{}.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	return format.DataEnd(context.Background(), f, 0, size)
}
