// SPDX-License-Identifier: Apache-2.0

package file

import (
	"slices"
	"sort"
	"time"

	"github.com/igniter-store/igniter/backend/file/internal/format"
)

// A state is the content of the log at one moment, as readers see it: only acknowledged facts. It is immutable; every
// change of the log makes a new state.
type state struct {
	sealed   []*segment      // the segments that take no more writes
	active   *active         // the file of the active segment, the last one
	current  format.File     // the active segment
	tail     tail            // the latest frames
	last     uint64          // the seq that was assigned last
	lastTime time.Time       // the latest transaction time
	durable  uint64          // the seq through which facts are durable
	pruned   uint64          // the number of facts pruned since Open
	horizons format.Horizons // of the sealed segments
	closed   bool            // the log was closed
	gone     error           // why the directory no longer holds this log; nil if it does

	lastSync time.Time
	groups   uint64 // writes since Open
	grouped  uint64 // facts in them
}

// update makes a new state by applying change to the old one, and wakes every goroutine that waits for a new state. Since
// each group commit needs a state, several are allocated at a time. With large frames they are allocated singly, because a
// state keeps the frames of all states allocated with it in memory.
func (l *Log) update(change func(s *state)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.state.Load()
	if before.tail.bytes > tailSize+groupSize {
		l.states = make([]state, 1)
	} else if len(l.states) == 0 {
		l.states = make([]state, 8)
	}
	s := &l.states[0]
	l.states = l.states[1:]
	*s = *before
	change(s)
	l.state.Store(s)
	l.changed.Notify()
}

// replace replaces consecutive old segments by a new one. The facts that next lacks are pruned. The file of next must have
// its final name, and the caller must hold maintenance.
func (l *Log) replace(old []*segment, next *segment) {
	facts := uint64(0)
	for _, s := range old {
		facts += s.Facts
	}
	l.update(func(s *state) {
		i := slices.Index(s.sealed, old[0])
		s.sealed = slices.Concat(s.sealed[:i], []*segment{next}, s.sealed[i+len(old):])
		s.horizons = format.Join(s.horizons, next.Horizons)
		if next.Facts < facts {
			s.tail = tail{}
			s.pruned += facts - next.Facts
		}
	})
}

// sealedThrough returns the last seq of the sealed segments.
func (s *state) sealedThrough() uint64 {
	if n := len(s.sealed); n > 0 {
		return s.sealed[n-1].Last
	}
	return 0
}

// find returns the file that has the first fact after a seq, which must be at most the last seq.
func (s *state) find(after uint64) *format.File {
	i := sort.Search(len(s.sealed), func(i int) bool { return s.sealed[i].Last > after })
	if i < len(s.sealed) {
		return &s.sealed[i].File
	}
	return &s.current
}
