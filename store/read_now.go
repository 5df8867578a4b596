// SPDX-License-Identifier: Apache-2.0

package store

import (
	"slices"
	"sort"
	"time"
)

// The log dates facts by its own clock, which may be ahead of this process's: by a little, or by years after somebody's clock
// was wrong once. An app that reads as of its own time must see all the same what is there. So whenever the engine shows facts
// whose times its clock has not reached, it notes what the clock says, and reads a time from then on as the facts' time.

// An aheadTime is a transaction time that was in the future when its fact was shown.
type aheadTime struct{ clock, fact time.Time }

// maxAhead is how many of them are kept: the latest. Earlier ones matter to reads as of earlier times alone.
const maxAhead = 64

// noteAhead notes that all facts that were applied are shown when the clock says clock, if it has not reached their times: it
// is behind the log's, or was set back since. The caller holds mu, and moves the head afterwards.
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

// seen returns the time to read as of when an app says t: t, or the time of the facts that the engine showed by then.
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

// asSeen makes a moment's times those that an app sees at them what it saw then.
func (e *Engine) asSeen(m *Moment) { m.Time, m.Valid = e.seen(m.Time), e.seen(m.Valid) }
