package store

import (
	"context"
	"fmt"
	"iter"
	"maps"

	"github.com/igniter-store/igniter/backend"
)

// The log says how far the past of its stores is incomplete (backend.Horizon). The engine learns it from the log each
// time after it has read from it, and from the receipts of compactions that it follows. Reads take a view first and then
// ask for the horizon, so that what a view lacks is before the horizon.

// Horizon returns the moment before which the past of a store is incomplete, since facts were pruned or lost; zero: it is whole.
// Reads as of an earlier moment, on either axis, are backend.ErrCompacted. Reads of the present never are.
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

// raise takes in horizons. The caller holds mu, unless the engine is new.
func (e *Engine) raise(horizons map[string]backend.Horizon) {
	if len(horizons) == 0 {
		return
	}
	all := maps.Clone(e.allHorizons())
	if all == nil {
		all = make(map[string]backend.Horizon)
	}
	for store, h := range horizons {
		all[store] = all[store].Later(h)
	}
	e.horizons.Store(&all)
}

// learn takes in horizons that were read from the log.
func (e *Engine) learn(horizons map[string]backend.Horizon) {
	if e.lockOutside() { // otherwise this goroutine has the lock
		defer e.mu.Unlock()
	}
	e.raise(horizons)
}

// askHorizons asks the log for its horizons. It is called after the log was read.
func (e *Engine) askHorizons(ctx context.Context) error {
	stats, err := e.log.Stats(ctx)
	if err != nil {
		return fmt.Errorf("ask the log what was pruned: %w", err)
	}
	e.learn(stats.Horizons)
	return nil
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

// saying yields an error, if it is not nil, before all else. The loop may go on after it.
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
