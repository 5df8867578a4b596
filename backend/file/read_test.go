// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// TestReadWhatIsReplaced begins to read each segment, replaces all of them by a snapshot or by Prune, and reads on: no fact
// is missing and none comes twice.
func TestReadWhatIsReplaced(t *testing.T) {
	for _, prune := range []bool{false, true} {
		l := openTest(t, Options{Path: t.TempDir(), SegmentSize: 16 << 10})
		writeSome(t, l, 0, 500)
		require.Greater(t, len(l.files()), 5)
		var readers []func() (backend.Fact, error, bool)
		var places []uint64
		for after := range uint64(480) {
			if after%16 > 0 {
				continue
			}
			next, stop := iter.Pull2(backend.Facts(l.Replay(t.Context(), since(after))))
			defer stop()
			f, err, ok := next()
			require.True(t, ok)
			require.NoError(t, err)
			require.Equal(t, after+1, f.Seq)
			readers, places = append(readers, next), append(places, after+1)
		}
		if prune {
			_, err := l.Prune(t.Context(), slices.Values([]uint64{3, 490, 499}), backend.Horizon{})
			require.NoError(t, err)
		} else {
			require.NoError(t, l.WriteSnapshot(t.Context(), 0))
			require.Len(t, l.files(), 2)
		}
		for i, next := range readers {
			seq := places[i]
			for f, err, ok := next(); ok; f, err, ok = next() {
				require.NoError(t, err)
				if !prune {
					require.Equal(t, seq+1, f.Seq)
				}
				seq = f.Seq
			}
			require.EqualValues(t, 500, seq)
		}
	}
}

// TestFollowReadsTheTailFromMemory counts how often files are opened: a follower that keeps up opens none,
// one that begins far back reads files first.
func TestFollowReadsTheTailFromMemory(t *testing.T) {
	d := vfstest.New()
	l := openTest(t, Options{fs: d})
	writeSome(t, l, 0, 10)
	opened := 0
	d.With(func() {
		d.ReadFault = func(op, name string, _ int) *vfstest.Fault {
			if op == "open" && strings.HasSuffix(name, segmentExt) {
				opened++
			}
			return nil
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 10
	for f, err := range backend.Facts(l.Follow(ctx, backend.Range{})) {
		require.NoError(t, err)
		if f.Seq == uint64(n) {
			if n == 100 {
				break
			}
			writeSome(t, l, n, n+1)
			n++
		}
	}
	require.Zero(t, opened)
	l.update(func(s *state) { s.tail = tail{} })
	require.Equal(t, 100, count(t, l, 0))
	require.Equal(t, 1, opened)
}

// TestWrittenAgain writes facts again in the order in which they were written: files are opened a few times,
// and not for each fact. Pruned facts are not remembered.
func TestWrittenAgain(t *testing.T) {
	d := vfstest.New()
	l := openTest(t, Options{fs: d})
	writeSome(t, l, 0, 2000)
	opened := 0
	d.With(func() {
		d.ReadFault = func(op, name string, _ int) *vfstest.Fault {
			if op == "open" && (strings.HasSuffix(name, segmentExt) || strings.HasSuffix(name, snapshotExt)) {
				opened++
			}
			return nil
		}
	})
	for _, snapshot := range []bool{false, true} {
		if snapshot {
			require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		}
		l.update(func(s *state) { s.tail = tail{} })
		opened = 0
		writeSome(t, l, 0, 2000)
		require.Less(t, opened, 10)
		require.Equal(t, 2000, count(t, l, 0))
	}
	for _, seq := range []uint64{1999, 2000} {
		_, err := l.WriteFact(t.Context(), newFact(1999))
		require.NoError(t, err)
		_, err = l.Prune(t.Context(), slices.Values([]uint64{seq}), backend.Horizon{})
		require.NoError(t, err)
		again, err := l.WriteFact(t.Context(), newFact(int(seq)-1))
		require.NoError(t, err)
		require.Equal(t, seq+2, again.Seq) // 2001 and 2002
	}
}

// TestIdleReader reads a file to the log's end: then the reader closes the file, so that it can be removed.
func TestIdleReader(t *testing.T) {
	l := openTest(t, Options{fs: vfstest.New()})
	writeSome(t, l, 0, 10)
	l.update(func(s *state) { s.tail = tail{} })
	r := &reader{log: l, size: backend.PageSize}
	defer r.Close()
	page, err := r.Take(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, 10, page.Facts)
	require.NotNil(t, r.file.File)
	page, err = r.Take(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, page.Facts)
	require.EqualValues(t, 10, page.Through.Seq)
	require.Nil(t, r.file.File)
	writeSome(t, l, 10, 11)
	page, err = r.Take(t.Context(), 10)
	require.NoError(t, err)
	require.EqualValues(t, 11, page.Through.Seq)
}

// TestOpenCancelled ends the context while a snapshot without an index is read: Open stops reading.
func TestOpenCancelled(t *testing.T) {
	d := vfstest.New()
	opts := Options{Path: "/log", fs: d, Sync: SyncNever}
	l, err := Open(t.Context(), opts)
	require.NoError(t, err)
	for n := range 100 {
		f := newFact(n)
		f.Value = fmt.Appendf(nil, "%q", strings.Repeat(fmt.Sprint(n), 20_000))
		_, err := l.WriteFact(t.Context(), f)
		require.NoError(t, err)
	}
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	require.NoError(t, l.Close())
	require.NoError(t, d.Remove("/log/"+snapshotName(100)+indexExt))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opened, after := 0, 0
	d.ReadFault = func(op, name string, _ int) *vfstest.Fault {
		if strings.HasSuffix(name, snapshotExt) {
			switch {
			case op == "open":
				if opened++; opened == 3 { // the first two times, only the header is read
					cancel()
				}
			case op == "read" && opened == 3:
				after++
			}
		}
		return nil
	}
	_, err = Open(ctx, opts)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, after)
}

// TestTail checks that a tail keeps frames of at least tailSize bytes, and not many more.
func TestTail(t *testing.T) {
	var tl tail
	frame := make([]byte, 100<<10)
	for seq := uint64(1); seq <= 100; seq++ {
		tl.add(tailFrame{seq, seq, frame})
		require.Less(t, tl.bytes, tailSize+len(frame))
	}
	require.GreaterOrEqual(t, tl.bytes, tailSize)
	require.Nil(t, tl.after(1), "it does not reach back that far")
	require.Nil(t, tl.after(100))
	require.Len(t, tl.after(99), 1)
	first := tl.frames[0].first
	require.Len(t, tl.after(first-1), len(tl.frames))
	require.Nil(t, tl.after(first-2))
}

// TestOpenReadsIndexes opens a log of many segments, and one with a snapshot: of the files with facts, Open
// reads only headers and the active segment.
func TestOpenReadsIndexes(t *testing.T) {
	d := vfstest.New()
	opts := Options{Path: "/log", fs: d, SegmentSize: 64 << 10}
	l, err := Open(t.Context(), opts)
	require.NoError(t, err)
	writeSome(t, l, 0, 2000)
	indexed := func() bool {
		return !slices.ContainsFunc(l.state.Load().sealed, func(s *segment) bool { return s.index.Load() == 0 })
	}
	require.Eventually(t, indexed, time.Minute, time.Millisecond)
	before := replayAll(t, l)
	for _, snapshot := range []bool{false, true} {
		if snapshot {
			require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		}
		require.NoError(t, l.Close())
		require.Empty(t, tempFiles(d))
		l, err = Open(t.Context(), opts)
		require.NoError(t, err)
		require.Equal(t, []string{l.state.Load().active.name}, l.Report().Read)
		require.Equal(t, before, replayAll(t, l))

		// The sequencer has the same state as if it had loaded the facts.
		again, err := l.WriteFact(t.Context(), newFact(7))
		require.NoError(t, err)
		require.EqualValues(t, 8, again.Seq)
		_, err = writeBatch(t.Context(), l, backend.Batch{Expect: []backend.Expect{{Store: "tasks", Key: "task-000007", ID: newFact(1007).ID}}})
		require.NoError(t, err)
		reused := newFact(8)
		reused.Key = "another"
		_, err = l.WriteFact(t.Context(), reused)
		require.ErrorIs(t, err, backend.ErrIDReused)
	}
	require.NoError(t, l.Close())

	// Without its indexes, the log is read, and the indexes are made again.
	entries, err := d.ReadDir("/log")
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), indexExt) {
			require.NoError(t, d.Remove("/log/"+e.Name()))
		}
	}
	l, err = Open(t.Context(), opts)
	require.NoError(t, err)
	require.Len(t, l.Report().Read, 2)
	require.Equal(t, before, replayAll(t, l))
	require.NoError(t, l.Close())
	l = openTest(t, opts)
	require.Len(t, l.Report().Read, 1)
}

// files returns the files of the log, in order.
func (l *Log) files() (all []format.File) {
	s := l.state.Load()
	for _, sealed := range s.sealed {
		all = append(all, sealed.File)
	}
	return append(all, s.current)
}

func replayAll(t testing.TB, l *Log) (all []backend.Fact) {
	t.Helper()
	for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		all = append(all, f.Clone())
	}
	return all
}

// tempFiles returns the names of files that were not finished.
func tempFiles(d *vfstest.Disk) (names []string) {
	entries, err := d.ReadDir("/log")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return []string{err.Error()}
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), tempExt) {
			names = append(names, e.Name())
		}
	}
	return names
}
