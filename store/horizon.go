// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"iter"
	"maps"
	"math"

	"github.com/igniter-store/igniter/backend"
)

// A horizon says before which moment the past of a store is incomplete (backend.Horizon). The engine learns horizons
// with each page that it reads, before it shows the page, from the receipts of compactions that it follows, and from
// Sync. A read takes its view first and the horizon afterwards, so that every fact that the view lacks is before the
// horizon.

// Horizon returns the moment before which the past of a store is incomplete, because facts were pruned or lost; zero if
// the past is complete. A read as of an earlier moment, on either axis, returns backend.ErrCompacted. A read of the
// present never does.
func (e *Engine) Horizon(store string) backend.Horizon {
	s := backend.Stats{Horizons: e.allHorizons()}
	return s.Horizon(store)
}

// allHorizons returns the horizons by store. They must not be modified.
func (e *Engine) allHorizons() map[string]backend.Horizon {
	if all := e.horizons.Load(); all != nil {
		return *all
	}
	return nil
}

// inMemory is the argument through of raise if no facts were read together with the horizons.
const inMemory = math.MaxUint64

// raise takes in horizons. The facts of the log through the seq through were read before these horizons came, and so
// are in memory. The caller holds mu, unless the engine is new.
func (e *Engine) raise(horizons map[string]backend.Horizon, through uint64) {
	if len(horizons) == 0 {
		return
	}
	all, missing := make(map[string]backend.Horizon), make(map[string]uint64)
	maps.Copy(all, e.allHorizons())
	if old := e.missing.Load(); old != nil {
		maps.Copy(missing, *old)
	}
	for store, h := range horizons {
		all[store] = all[store].Later(h)
		if h.Seq > through {
			missing[store] = max(missing[store], h.Seq)
		}
	}
	e.horizons.Store(&all)
	e.missing.Store(&missing)
}

// missingThrough returns the seq through which facts of a store may not be in memory, since they were pruned. It is not
// beyond the horizon that Horizon returns afterwards.
func (e *Engine) missingThrough(store string) uint64 {
	missing := e.missing.Load()
	if missing == nil {
		return 0
	}
	return max((*missing)[backend.AllStores], (*missing)[store])
}

// learn is raise for a caller that may or may not hold the lock.
func (e *Engine) learn(horizons map[string]backend.Horizon, through uint64) {
	if e.lockOutside() { // otherwise this goroutine has the lock
		defer e.mu.Unlock()
	}
	e.raise(horizons, through)
}

// whole checks that a read of a store as of m needs no fact that was pruned. The caller has its view. If now is true, m is
// ValidNow, which is never before the horizon: the clock may be behind the log's.
func (e *Engine) whole(store string, m *Moment, now bool) error {
	if e.horizons.Load() == nil || m.none {
		return nil
	}
	h := e.Horizon(store)
	if now && h.Time.After(m.Valid) {
		m.Valid = h.Time
	}
	if h.Hides(m.Seq, m.Time, m.Valid) {
		return &backend.CompactedError{Store: store, Horizon: h}
	}
	return nil
}

// wholeAfter checks that a loop over a store after a seq misses no fact that was pruned. The caller has its view.
func (e *Engine) wholeAfter(store string, after uint64) error {
	if h := e.Horizon(store); after < h.Seq {
		return &backend.CompactedError{Store: store, Horizon: h}
	}
	return nil
}

// saying returns a sequence that yields err, if it is not nil, and then the pairs of all.
func saying(err error, what string, all iter.Seq2[Record, error]) iter.Seq2[Record, error] {
	if err == nil {
		return all
	}
	return func(yield func(Record, error) bool) {
		if yield(Record{}, fmt.Errorf("store: %s: %w", what, err)) {
			all(yield)
		}
	}
}
