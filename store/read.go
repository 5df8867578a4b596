// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// ErrNotFound is reported for a fact that the log does not have.
var ErrNotFound = errors.New("store: not found")

// Get returns the current record of a key: its latest fact, whatever its valid time. ok is false if the key has no
// fact, or if its latest fact, r, is a retraction.
func (e *Engine) Get(store, key string) (r Record, ok bool) {
	r = e.view(store).latest(key)
	return r, r.live()
}

// Latest returns the latest fact of a key, which may be a retraction; the zero Record, whose Seq is 0,
// if it has none.
func (e *Engine) Latest(store, key string) Record { return e.view(store).latest(key) }

// GetAt returns the record of a key as of a moment. ok is false if the key had no fact that was visible and valid then,
// or if that fact, r, is a retraction.
//
// If the answer needs facts that the engine dropped from memory (Options.KeepVersions), GetAt reads them from the log.
// Errors are ctx's error, ErrNotLoaded, backend.ErrForbidden if this process may not read the store now, errors of
// reading the log and, if facts that the answer may need were pruned, a *backend.CompactedError (backend.ErrCompacted),
// see [Engine.Horizon]. All methods that read with a context return the same errors. Methods without a context find
// nothing in a store that this process may not read.
func (e *Engine) GetAt(ctx context.Context, store, key string, m Moment) (r Record, ok bool, err error) {
	v, err := e.viewAt(ctx, store, &m, key)
	if err != nil {
		return Record{}, false, fmt.Errorf("store: get key %q: %w", key, err)
	}
	r, flags := v.asOf(&m).lookup(key)
	if !m.timeless() {
		r = r.at(flags, &m)
	}
	return r, r.live(), nil
}

// History yields the facts of a key that are visible at a moment, retractions too, the oldest first. If the moment has
// a Valid time, History yields only facts that became valid at that time or earlier. Each pair is a record and nil, or
// the zero Record and an error, which ends the loop.
//
// If facts of the store were pruned, the history may be incomplete. History says so first: the first pair is the zero
// Record and a *backend.CompactedError. It is the one error that does not end the loop: if the loop goes on, the facts
// that are left follow. The same holds for all loops over facts in the order of the log.
func (e *Engine) History(ctx context.Context, store, key string, m Moment) iter.Seq2[Record, error] {
	return records(func() (iter.Seq2[Record, error], error) {
		m := m
		e.asSeen(&m)
		var v view
		err := e.reachable(ctx, m.Seq)
		if err == nil {
			v, err = e.viewFor(ctx, store, fromTheStart, key)
		}
		if err != nil {
			return nil, fmt.Errorf("store: history of key %q: %w", key, err)
		}
		m.resolve(e, v)
		return saying(e.wholeAfter(store, 0), fmt.Sprintf("history of key %q", key), func(yield func(Record, error) bool) {
			for r := range v.asOf(&m).latest(key).history() {
				if m.shows(r) && !yield(r, nil) {
					return
				}
			}
		}), nil
	})
}

// Facts yields the facts of a store with a seq above after, retractions too, in the order of the log, up to the head
// when the loop begins. Pairs are as in [Engine.History]: if facts after the seq were pruned, the first pair is a
// *backend.CompactedError. If the log ends before after, the error is a *backend.DivergedError. To go on after a
// restart, see [Engine.Resume].
func (e *Engine) Facts(ctx context.Context, store string, after uint64) iter.Seq2[Record, error] {
	return records(func() (iter.Seq2[Record, error], error) {
		err := e.reachable(ctx, after)
		var v view
		if err == nil {
			v, err = e.viewFor(ctx, store, &Moment{Seq: max(after, 1)})
		}
		if err != nil {
			return nil, fmt.Errorf("store: facts after seq %d: %w", after, err)
		}
		return saying(e.wholeAfter(store, after), fmt.Sprintf("facts after seq %d", after), v.facts(after)), nil
	})
}

// FactsSince is Facts for the facts whose transaction time is not before t.
func (e *Engine) FactsSince(ctx context.Context, store string, t time.Time) iter.Seq2[Record, error] {
	return records(func() (iter.Seq2[Record, error], error) {
		from := &Moment{Time: t}
		if t.IsZero() {
			from = fromTheStart
		}
		v, err := e.viewFor(ctx, store, from)
		if err != nil {
			return nil, fmt.Errorf("store: facts since %s: %w", t.Format(time.RFC3339), err)
		}
		what := "facts since " + t.Format(time.RFC3339)
		if h := e.Horizon(store); t.Before(h.Time) {
			return saying(&backend.CompactedError{Store: store, Horizon: h}, what, v.factsSince(t)), nil
		}
		return v.factsSince(t), nil
	})
}

// records yields the records that begin returns, or its error.
func records(begin func() (iter.Seq2[Record, error], error)) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		found, err := begin()
		if err != nil {
			yield(Record{}, err)
			return
		}
		found(yield)
	}
}

// FactByID returns the fact with an ID in one of the given stores, or in any store if none are given. If the engine
// does not hold the fact, the error is ErrNotFound, or ErrDropped if the log may have it. If several of the stores have
// a fact with the ID, the error is a *backend.InvalidError: name the store. The first call for each store builds an
// index of 8 to 24 bytes a fact, which each later write updates.
func (e *Engine) FactByID(id string, stores ...string) (Record, error) {
	var found Record
	for r := range e.factsWith(id) {
		switch {
		case len(stores) > 0 && !slices.Contains(stores, r.Store()):
		case found.data != nil:
			return Record{}, &backend.InvalidError{Field: "id", Reason: fmt.Sprintf("%q names facts of the stores %q and %q: name the store, too", id, min(found.Store(), r.Store()), max(found.Store(), r.Store()))}
		default:
			found = r
		}
	}
	if found.data != nil {
		return found, nil
	}
	if e.partial() {
		return Record{}, fmt.Errorf("fact %q: %w", id, ErrDropped)
	}
	return Record{}, fmt.Errorf("%w: fact %q", ErrNotFound, id)
}

// Stores returns the names of the stores that have a fact, sorted.
func (e *Engine) Stores() []string {
	var all []string
	for s := range e.spaces.each() {
		if v := e.view(s.name); v.end() > 0 {
			all = append(all, v.name)
		}
	}
	slices.Sort(all)
	return all
}

// namespace returns a store's namespace, nil if it has none.
func (e *Engine) namespace(store string) *namespace { return e.spaces.get(store) }
