package store

import (
	"slices"
	"sort"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// The log dates facts by its own clock, which may be ahead of this process's. An app that writes and then reads as of its
// own time must see what it wrote all the same. So the engine notes for its own writes whose facts are dated after its
// clock what the clock said when they were shown, and reads a time from then on as the facts' time.

// An aheadTime is a transaction time that was in the future when its fact was shown to its writer.
type aheadTime struct{ clock, fact time.Time }

// maxAhead is how many of them are kept: the latest. Earlier ones matter to reads as of earlier times alone.
const maxAhead = 64

// wrote notes the times of facts that this engine has written, if the clock is not there yet: it is behind the log's, or
// was set back since.
func (e *Engine) wrote(facts []backend.Fact) {
	latest := time.Time{}
	for i := range facts {
		if t := facts[i].TransactionTime; t.After(latest) {
			latest = t
		}
	}
	own := e.own.Load()
	for latest.Year() < 2262 && latest.UnixNano() > own && !e.own.CompareAndSwap(own, latest.UnixNano()) {
		own = e.own.Load()
	}
	clock := e.opts.Now()
	if own > clock.UnixNano() {
		if t := time.Unix(0, own).UTC(); t.After(latest) {
			latest = t
		}
	}
	if !latest.After(clock) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []aheadTime
	if old := e.ahead.Load(); old != nil {
		all = slices.Clone(*old)
	}
	for len(all) > 0 && all[len(all)-1].clock.After(clock) { // the clock was set back
		if t := all[len(all)-1].fact; t.After(latest) {
			latest = t
		}
		all = all[:len(all)-1]
	}
	if n := len(all); n > 0 && !latest.After(all[n-1].fact) {
		return // a read as of now sees it already
	}
	all = append(all[max(0, len(all)+1-maxAhead):], aheadTime{clock, latest})
	e.ahead.Store(&all)
}

// seen returns the time to read as of when an app says t: t, or the time of the facts that the app had written by then.
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

// asSeen makes a moment's times those that an app sees its own writes at.
func (e *Engine) asSeen(m *Moment) { m.Time, m.Valid = e.seen(m.Time), e.seen(m.Valid) }
