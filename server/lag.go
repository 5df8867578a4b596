// SPDX-License-Identifier: Apache-2.0

package server

import (
	"sync"
	"sync/atomic"
	"time"
)

// A trace records when the log reached which seqs, to tell since when a subscriber is behind.
type trace struct {
	due atomic.Int64 // nanoseconds since 1970: when the next point is due

	mu     sync.Mutex
	points []point // ascending, at least traceStep apart
}

type point struct {
	seq uint64
	at  time.Time
}

const (
	traceStep   = 5 * time.Second
	tracePoints = 1024 // more than an hour; the oldest are dropped
)

// note records that the log has a seq.
func (t *trace) note(seq uint64, now time.Time) {
	if now.UnixNano() < t.due.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.points)
	if n > 0 && seq <= t.points[n-1].seq {
		return
	}
	t.due.Store(now.Add(traceStep).UnixNano())
	if n == tracePoints {
		t.points = append(t.points[:0], t.points[1:]...)
	}
	t.points = append(t.points, point{seq, now})
}

// since returns the time since which the log has had facts after a seq, to within traceStep, or a later time if the point
// was dropped. It returns the zero Time if the log has no facts after the seq.
func (t *trace) since(seq, last uint64) time.Time {
	if seq >= last {
		return time.Time{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.points {
		if p.seq > seq {
			return p.at.UTC()
		}
	}
	if n := len(t.points); n > 0 { // the seq came soon after the last point
		return t.points[n-1].at.Add(traceStep).UTC()
	}
	return time.Time{}
}

// Behind returns the lag in seqs of a reader that was sent the log through a seq, and the time since which it lags. The
// time is exact to a few seconds for the last hour; it is zero if the reader does not lag.
func (s *Server) Behind(seq uint64) (lag uint64, since time.Time) {
	last := s.last.Load()
	since = s.trace.since(seq, last)
	if now := time.Now().UTC(); since.After(now) {
		since = now
	}
	return last - min(last, seq), since
}
