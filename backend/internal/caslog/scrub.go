// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"time"
)

// A scrub reads the log again from its beginning, a part at each pulse. So a process that only writes, or whose readers
// only follow, finds damage to facts that it read long ago, and damage before the index with which it was opened.
type scrub struct {
	place head      // the progress of this pass; its position is 0 between two passes
	by    string    // the server of the place when the pass began, see Port.Gone
	next  time.Time // when the next pass begins, unless the server changes earlier
}

const (
	scrubBytes = 2 << 20   // of units, in a pulse
	scrubPause = time.Hour // between two passes
)

// scrub reads the next part. After a temporary error, the next call tries again.
func (l *Log) scrub(ctx context.Context, s *scrub, by string) error {
	if s.place.pos == 0 {
		if by == s.by && time.Now().Before(s.next) {
			return nil
		}
		s.by, s.next = by, time.Now().Add(scrubPause)
	}
	l.mu.Lock()
	through := l.known.pos
	l.mu.Unlock()
	bytes := 0
	for u, err := range l.walk(ctx, s.place, through, true) {
		if err != nil {
			return err
		}
		s.place = head{pos: u.End, seq: max(s.place.seq, u.last)}
		if !u.standIn {
			s.place.hash = u.after
		}
		if bytes += len(u.Body); bytes >= scrubBytes {
			return nil
		}
	}
	s.place = head{}
	return nil
}
