// SPDX-License-Identifier: Apache-2.0

package store

import (
	"slices"
	"sort"
	"time"
)

// The log dates facts by its own clock, which may be ahead of this process's clock: by a little or, after a clock was
// wrong once, by years. An app that reads as of its own time must still see every fact that the engine shows. So
// whenever the engine shows facts whose times its clock has not reached, it notes the clock's time, and a read as of
// that clock time or later reads as of the facts' time.

// An aheadTime is a transaction time that was in the future when its fact was shown.
type aheadTime struct{ clock, fact time.Time }

// maxAhead is how many of the latest notes are kept. Older ones only matter for reads as of older times.
const maxAhead = 64

// noteAhead notes that the engine shows all applied facts at the clock time clock, if clock has not reached their
// times: the clock is behind the log's, or was set back. The caller holds mu, and moves the head afterwards.
func (e *Engine) noteAhead(clock time.Time) {
	latest := e.newest
	if !latest.After(clock) {
		return
	}
	var all []aheadTime
	if old := e.ahead.Load(); old != nil {
		all = *old
	}
	n := len(all)
	for n > 0 && all[n-1].clock.After(clock) { // the clock was set back
		n--
	}
	if n > 0 && !latest.After(all[n-1].fact) {
		return // a read as of now sees it already
	}
	all = append(slices.Clone(all[max(0, n+1-maxAhead):n]), aheadTime{clock, latest})
	e.ahead.Store(&all)
}

// seen returns the time as of which to read if an app asks for t: t, or the latest time of the facts that the engine
// showed by then.
func (e *Engine) seen(t time.Time) time.Time {
	all := e.ahead.Load()
	if all == nil || t.IsZero() {
		return t
	}
	n := sort.Search(len(*all), func(i int) bool { return (*all)[i].clock.After(t) })
	if n > 0 && (*all)[n-1].fact.After(t) {
		return (*all)[n-1].fact
	}
	return t
}

// asSeen applies seen to the times of a moment.
func (e *Engine) asSeen(m *Moment) {
	if e.ahead.Load() != nil {
		m.Time, m.Valid = e.seen(m.Time), e.seen(m.Valid)
	}
}
