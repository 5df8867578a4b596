// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs/vfstest"
)

// TestSnapshotIsSmall makes a snapshot, then another over it: it takes much less room than the segments,
// which are removed, and the second one keeps the blocks of the first.
func TestSnapshotIsSmall(t *testing.T) {
	d := vfstest.New()
	opts := Options{Path: "/log", fs: d, SegmentSize: 64 << 10}
	l := openTest(t, opts)
	writeSome(t, l, 0, 3000)
	before, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.Greater(t, before.Storage.Segments, 10)

	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	first, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, first.Storage.Snapshots)
	require.Equal(t, 1, first.Storage.Segments)
	require.Less(t, 3*first.Storage.SnapshotBytes, before.Storage.SegmentBytes)
	require.EqualValues(t, 3000, first.Facts)
	require.EqualValues(t, 1, first.FirstSeq)
	blocks := l.files()[0].Points

	writeSome(t, l, 3000, 4000)
	require.NoError(t, l.WriteSnapshot(t.Context(), 0))
	require.Equal(t, blocks, l.files()[0].Points[:len(blocks)])
	require.Equal(t, 4000, count(t, l, 0))
	for after := uint64(0); after < 4000; after += 97 {
		require.Equal(t, 4000-int(after), count(t, l, after))
	}
	require.NoError(t, l.WriteSnapshot(t.Context(), 0), "there is nothing new")
	entries, err := d.ReadDir("/log")
	require.NoError(t, err)
	require.Len(t, entries, 5, "the lock, the reserve, the snapshot, its index, the active segment")
}

// TestSnapshotThrough makes a snapshot of the segments through the one that has a seq.
func TestSnapshotThrough(t *testing.T) {
	l := openTest(t, Options{fs: vfstest.New(), SegmentSize: 16 << 10})
	writeSome(t, l, 0, 500)
	files := l.files()
	require.NoError(t, l.WriteSnapshot(t.Context(), files[2].First))
	require.Equal(t, files[2].Last, l.files()[0].Last)
	require.Equal(t, files[3:], l.files()[1:])
	require.NoError(t, l.WriteSnapshot(t.Context(), files[1].First), "it has that already")
	require.Equal(t, files[3:], l.files()[1:])
	require.Equal(t, 500, count(t, l, 0))
}

// TestCancelledMaintenance ends a snapshot and a Prune, by their context and by Close, and finds the log as
// it was.
func TestCancelledMaintenance(t *testing.T) {
	d := vfstest.New()
	l := openTest(t, Options{fs: d, SegmentSize: 16 << 10})
	writeSome(t, l, 0, 200)
	for _, ext := range []string{snapshotExt + tempExt, segmentExt + tempExt} {
		ctx, cancel := context.WithCancel(t.Context())
		d.With(func() {
			d.Fault = func(op, name string, _ int) *vfstest.Fault {
				if op == "create" && strings.HasSuffix(name, ext) {
					cancel()
				}
				return nil
			}
		})
		if ext == snapshotExt+tempExt {
			require.ErrorIs(t, l.WriteSnapshot(ctx, 100), context.Canceled)
		} else {
			_, err := l.Prune(ctx, slices.Values([]uint64{1, 2}), backend.Horizon{})
			require.ErrorIs(t, err, context.Canceled)
		}
		require.Empty(t, tempFiles(d))
		require.Equal(t, 200, count(t, l, 0))
	}
	closed := make(chan error, 1)
	d.With(func() {
		d.Fault = func(op, name string, _ int) *vfstest.Fault {
			if op == "create" && strings.HasSuffix(name, snapshotExt+tempExt) {
				go func() { closed <- l.Close() }()
				for !l.isClosing() {
					runtime.Gosched()
				}
			}
			return nil
		}
	})
	require.ErrorIs(t, l.WriteSnapshot(t.Context(), 100), backend.ErrClosed)
	require.NoError(t, <-closed)
	require.Empty(t, tempFiles(d))
}

// TestWaitingForMaintenance lets a Prune wait for a snapshot, until its context ends.
func TestWaitingForMaintenance(t *testing.T) {
	l := openTest(t, Options{fs: vfstest.New()})
	writeSome(t, l, 0, 2)
	require.True(t, l.maintenance.TryLock())
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := l.Prune(ctx, slices.Values([]uint64{1}), backend.Horizon{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	l.maintenance.Unlock()
}

// TestPruneRestoresTheLatest prunes a key's latest facts in segments and in a snapshot. The latest remaining fact becomes
// the key's latest, now and after reopening the log, and the next fact follows it.
func TestPruneRestoresTheLatest(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		opts := Options{Path: "/log", fs: vfstest.New(), SegmentSize: 64 << 10}
		l, err := Open(t.Context(), opts)
		require.NoError(t, err)
		writeSome(t, l, 0, 3100) // task-000007 has seqs 8, 1008, 2008, 3008
		if snapshot {
			require.NoError(t, l.WriteSnapshot(t.Context(), 0))
		}
		report, err := l.Prune(t.Context(), slices.Values([]uint64{3008, 2008, 3008, 9999}), backend.Horizon{})
		require.NoError(t, err)
		require.Equal(t, backend.PruneReport{Pruned: 2, Missing: 1}, report)
		expect := backend.Batch{Expect: []backend.Expect{{Store: "tasks", Key: "task-000007", ID: newFact(1007).ID}}}
		_, err = writeBatch(t.Context(), l, expect)
		require.NoError(t, err)
		require.Equal(t, 3098, count(t, l, 0))
		s, err := l.Stats(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 3098, s.Facts)
		require.NoError(t, l.Close())

		l = openTest(t, opts)
		_, err = writeBatch(t.Context(), l, expect)
		require.NoError(t, err)
		f, err := l.WriteFact(t.Context(), newFact(3007)) // its ID is forgotten
		require.NoError(t, err)
		require.EqualValues(t, 3101, f.Seq)
		require.Equal(t, newFact(1007).ID, f.Causation)
		require.Equal(t, 3099, count(t, l, 0))
	}
}

// TestPruneLetsOthersWrite keeps a task waiting for the committer while Prune removes the latest facts of many keys. The
// task gets its turn after each part of the keys.
func TestPruneLetsOthersWrite(t *testing.T) {
	const keys = 3*tellSize + 500
	l := openTest(t, Options{fs: vfstest.New(), Sync: SyncNever})
	b := backend.Batch{}
	for n := range keys {
		f := newFact(n)
		f.Key = fmt.Sprint(n)
		b.Facts = append(b.Facts, f)
	}
	_, err := writeBatch(t.Context(), l, b)
	require.NoError(t, err)
	var pruned atomic.Bool
	told, most := 0, 0
	done := make(chan struct{})
	var turn func() error
	wait := func() error { // the turn comes after all earlier tasks
		l.mu.Lock()
		defer l.mu.Unlock()
		l.queue = append(l.queue, &write{task: turn, done: make(chan struct{}, 1)})
		return nil
	}
	turn = func() error {
		before := told
		told = 0
		for n := range keys {
			if l.seq.Latest("tasks", fmt.Sprint(n)) == 0 {
				told++
			}
		}
		most = max(most, told-before)
		if pruned.Load() {
			close(done)
			return nil
		}
		return wait()
	}
	require.NoError(t, l.do(t.Context(), wait))
	all := func(yield func(uint64) bool) {
		for seq := uint64(1); seq <= keys && yield(seq); seq++ {
		}
	}
	report, err := l.Prune(t.Context(), all, backend.Horizon{})
	pruned.Store(true)
	<-done
	require.NoError(t, err)
	require.EqualValues(t, keys, report.Pruned)
	require.Equal(t, keys, told)
	require.LessOrEqual(t, most, tellSize)
	require.Zero(t, count(t, l, 0))
}

// TestStats compares Stats with the files.
func TestStats(t *testing.T) {
	d := vfstest.New()
	opts := Options{Path: "/log", fs: d, SegmentSize: 16 << 10, Sync: SyncNever}
	l, err := Open(t.Context(), opts)
	require.NoError(t, err)
	writeSome(t, l, 0, 200)
	require.NoError(t, l.WriteSnapshot(t.Context(), 100))
	writeSome(t, l, 200, 300)
	_, err = l.Prune(t.Context(), slices.Values([]uint64{1, 2, 3, 250}), backend.Horizon{})
	require.NoError(t, err)
	active := l.state.Load().active.name
	require.NoError(t, l.Close())
	d.Overwrite("/log/"+active, append(d.Files("/log")[active], "torn"...))
	l = openTest(t, opts)
	indexNow(l)
	s, err := l.Stats(t.Context())
	require.NoError(t, err)
	sizes := map[string]uint64{}
	for name, content := range damageFiles(d) {
		kind := filepath.Ext(name)
		if strings.HasPrefix(name, quarantineName) {
			kind = quarantineName
		}
		if name == reserveName {
			kind = name
		}
		sizes[kind] += uint64(len(content))
	}
	require.EqualValues(t, 4, s.FirstSeq)
	require.EqualValues(t, 300, s.LastSeq)
	require.EqualValues(t, 296, s.Facts)
	require.NotZero(t, sizes[indexExt])
	require.Equal(t, sizes[indexExt], s.Storage.IndexBytes)
	require.Equal(t, sizes[snapshotExt], s.Storage.SnapshotBytes)
	require.Equal(t, sizes[segmentExt], s.Storage.SegmentBytes+s.Storage.AheadBytes)
	require.Greater(t, sizes[quarantineName], uint64(len("torn")))
	require.Equal(t, sizes[quarantineName], s.Storage.QuarantineBytes)
	require.Greater(t, sizes[reserveName], uint64(opts.SegmentSize))
	require.Equal(t, sizes[reserveName], s.Storage.ReserveBytes)
	require.Equal(t, s.Bytes, sizes[indexExt]+sizes[snapshotExt]+sizes[segmentExt]+sizes[quarantineName]+sizes[reserveName])
}

// TestIntervalBecomesDurable waits for a sync by the flusher, and for its marker.
func TestIntervalBecomesDurable(t *testing.T) {
	l := openTest(t, Options{Path: t.TempDir(), Sync: SyncInterval, SyncInterval: time.Millisecond})
	for n := range 3 {
		writeSome(t, l, n, n+1)
		require.Eventually(t, func() bool {
			s, err := l.Stats(t.Context())
			return err == nil && s.DurableSeq == uint64(n)+1 && !s.Storage.LastSync.IsZero()
		}, time.Minute, time.Millisecond)
	}
	require.Equal(t, 3, count(t, l, 0))
}

// TestOptions checks what each setting does, and that bad ones are refused.
func TestOptions(t *testing.T) {
	o, err := optionsOf(backend.Config{Path: "/log", Settings: map[string]any{
		"sync": "interval", "sync_interval": "50ms", "segment_size": 1e6, "max_frame": 2e7, "repair": true,
	}})
	require.NoError(t, err)
	require.Equal(t, Options{Path: "/log", Sync: SyncInterval, SyncInterval: 50 * time.Millisecond, SegmentSize: 1e6, MaxFrame: 2e7, Repair: true}, o)
	for field, c := range map[string]backend.Config{
		"sync":          {Path: "x", Settings: map[string]any{"sync": 1}},
		"sync_interval": {Path: "x", Settings: map[string]any{"sync_interval": "fast"}},
		"segment_size":  {Path: "x", Settings: map[string]any{"segment_size": 1.5}},
		"max_frame":     {Path: "x", Settings: map[string]any{"max_frame": -1}},
		"repair":        {Path: "x", Settings: map[string]any{"repair": "yes"}},
		"address":       {Path: "x", Address: "y"},
		"colour":        {Path: "x", Settings: map[string]any{"colour": "red"}},
	} {
		_, err := backend.Open(t.Context(), "file", c)
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Field)
	}
	for field, o := range map[string]Options{
		"path": {}, "sync": {Path: "x", Sync: "sometimes"}, "options": {Path: "x", SegmentSize: -1},
	} {
		_, err := Open(t.Context(), o)
		var invalid *backend.InvalidError
		require.True(t, errors.As(err, &invalid), "%v", err)
		require.Equal(t, field, invalid.Field)
	}
}

// TestSyncChanges opens a log under one Sync after another.
func TestSyncChanges(t *testing.T) {
	d := vfstest.New()
	n := 0
	for _, sync := range []Sync{SyncAlways, SyncNever, SyncNever, SyncInterval, SyncAlways, SyncInterval} {
		l, err := Open(t.Context(), Options{Path: "/log", fs: d, Sync: sync})
		require.NoError(t, err)
		require.Equal(t, n, count(t, l, 0))
		writeSome(t, l, n, n+3)
		n += 3
		require.NoError(t, l.Close())
		l, err = Open(t.Context(), Options{Path: "/log", fs: d, Sync: sync})
		require.NoError(t, err)
		require.NoError(t, l.Close()) // a segment without facts, or one with, stays
	}
	entries, err := d.ReadDir("/log")
	require.NoError(t, err)
	segments := slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !strings.HasSuffix(e.Name(), segmentExt) })
	require.Len(t, segments, 5)
}
