// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// indexNow makes the indexes that sealed segments lack, unless that fails.
func indexNow(l *Log) {
	for range 2 { // the flusher may be running, without the latest segment
		l.indexSealed(context.Background(), nil)
		_ = l.maintenance.Lock(context.Background())
		l.maintenance.Unlock()
	}
}

// Facts are synced in time while the flusher reads a large file to index it.
func TestSyncWhileIndexing(t *testing.T) {
	l := openTest(t, Options{Path: t.TempDir(), Sync: SyncInterval, SyncInterval: time.Hour})
	writeSome(t, l, 0, 3)
	require.NoError(t, l.rollIfUsed(t.Context()))
	writeSome(t, l, 3, 5)
	s := l.state.Load()
	require.Less(t, s.durable, s.last)
	require.NoError(t, l.maintenance.Lock(t.Context()))
	defer l.maintenance.Unlock()
	tick := make(chan time.Time, 1)
	tick <- time.Now()
	require.NoError(t, l.index(t.Context(), s.sealed[0], func() { l.meanwhile(tick) }))
	s = l.state.Load()
	require.Equal(t, s.last, s.durable)
}

// Space is written ahead while the flusher reads a large file to index it.
func TestSpaceWhileIndexing(t *testing.T) {
	l := openTest(t, Options{Path: t.TempDir()})
	writeSome(t, l, 0, 3)
	s := l.state.Load()
	a, end := s.active, s.current.Size
	a.flushing.Lock()
	a.ahead.Store(end) // as if it was used up
	a.flushing.Unlock()
	require.True(t, l.low(a, end))
	l.meanwhile(nil)
	require.False(t, l.low(a, end))
	writeSome(t, l, 3, 5)
}

// Space is written ahead up to the end of the segment, and not wanted beyond.
func TestSpaceUpToTheEnd(t *testing.T) {
	l := openTest(t, Options{Path: t.TempDir(), SegmentSize: minAhead})
	a := l.state.Load().active
	a.flushing.Lock()
	a.ahead.Store(minAhead - 4096) // as if the rest was not written yet
	a.flushing.Unlock()
	require.True(t, l.low(a, minAhead-8192))
	l.writeAhead()
	require.EqualValues(t, minAhead, a.ahead.Load())
	require.False(t, l.low(a, minAhead-8192))
}

// waitForState waits until the log's state is as wanted.
func waitForState(l *Log, wanted func(s *state) bool) {
	for {
		changed := l.changed.Changed()
		if wanted(l.state.Load()) {
			return
		}
		<-changed
	}
}

// The flusher does not wait for a snapshot or a prune, which may take minutes, to make an index.
func TestSyncWhileMaintained(t *testing.T) {
	l := openTest(t, Options{Path: t.TempDir(), Sync: SyncInterval, SyncInterval: time.Millisecond})
	writeSome(t, l, 0, 3)
	require.NoError(t, l.maintenance.Lock(t.Context()))
	defer l.maintenance.Unlock()
	require.NoError(t, l.rollIfUsed(t.Context())) // wakes the flusher, to make an index
	for n := 3; n < 20; n++ {
		writeSome(t, l, n, n+1)
		waitForState(l, func(s *state) bool { return s.durable > uint64(n) })
	}
}
