// SPDX-License-Identifier: Apache-2.0

package file

import (
	"slices"
	"sort"
	"time"

	"github.com/igniter-store/igniter/backend/file/internal/format"
)

// A state is what the log holds at one moment, as readers see it: only acknowledged facts. It never changes;
// every change of the log makes a new one.
type state struct {
	sealed   []*segment      // the segments that are not written to any more
	active   *active         // the file of the active segment, the last one
	current  format.File     // the active segment
	tail     tail            // the latest frames
	last     uint64          // the seq that was given last
	lastTime time.Time       // the latest transaction time
	durable  uint64          // facts through it are durable
	pruned   uint64          // how many facts were pruned since Open
	horizons format.Horizons // of the sealed segments
	closed   bool            // the log does nothing any more
	gone     error           // why this is not the log of its directory any more; nil: it is

	lastSync time.Time
	groups   uint64 // writes since Open
	grouped  uint64 // facts in them
}

// update makes a new state, which differs from the one before it by change, and wakes every goroutine that
// waits for one. States are allocated some at a time, since each group commit needs one, unless frames are large: old states keep theirs
// as long as their neighbours are in use.
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

// replace replaces old segments, which follow each other, by a new one. Facts that it does not have are
// pruned. Its file must have its name, and maintenance must be held.
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

// find returns the file that has the first fact after a seq that the log has given.
func (s *state) find(after uint64) *format.File {
	i := sort.Search(len(s.sealed), func(i int) bool { return s.sealed[i].Last > after })
	if i < len(s.sealed) {
		return &s.sealed[i].File
	}
	return &s.current
}
