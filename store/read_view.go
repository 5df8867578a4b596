// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"sort"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A view is the facts of one store as of a seq. It does not show facts that are added later, and keeps facts
// that are dropped from memory later: a loop over a view sees one state of the log, however long it takes.
type view struct {
	*namespace // nil: the store has no facts
	head       uint64
}

// view returns the store as of the engine's head.
func (e *Engine) view(store string) view {
	for {
		head := e.head.Load()
		if s := e.namespace(store); s == nil || s.since <= head {
			return view{s, head}
		}
		// Facts were dropped after the head was loaded. The head has moved by then.
	}
}

// viewFor returns the store as of the engine's head, with all facts that reads as of m and later need; if
// keys are given, it may have only these keys. It reads the log if the engine does not hold all of them. A store that this
// process may not read is backend.ErrForbidden.
func (e *Engine) viewFor(ctx context.Context, store string, m *Moment, keys ...string) (view, error) {
	if e.stores.Load() != nil && !e.Loaded(store) {
		return view{}, fmt.Errorf("store %q: %w", store, ErrNotLoaded)
	}
	a := e.readable()
	v := e.view(store)
	for now := e.readable(); now != a; now = e.readable() {
		a, v = now, e.view(store)
	}
	if !a.has(store) {
		return view{}, forbidden(store)
	}
	m.resolve(e, v)
	if v.namespace == nil || v.dropped.seq == 0 || v.holds(m) {
		return v, nil
	}
	return e.pastView(ctx, store, v.head, keys)
}

// viewAt is viewFor for a read as of m. It adjusts the times of m so that the app sees its own writes. The error is
// ErrCompacted if the read needs facts that were pruned. viewAt waits for a seq that the engine does not show yet, and
// returns a *backend.DivergedError if the log does not have it.
func (e *Engine) viewAt(ctx context.Context, store string, m *Moment, keys ...string) (view, error) {
	if err := e.reachable(ctx, m.Seq); err != nil {
		return view{}, err
	}
	e.asSeen(m)
	now := m.now
	v, err := e.viewFor(ctx, store, m, keys...)
	if err == nil {
		err = e.whole(store, m, now)
	}
	return v, err
}

func (e *Engine) pastView(ctx context.Context, store string, head uint64, keys []string) (view, error) {
	past, err := e.past(ctx, head, []string{store}, keys)
	for errors.Is(err, backend.ErrAccessChanged) && ctx.Err() == nil { // while it was read: once more, as it is now
		past, err = e.past(ctx, head, []string{store}, keys)
	}
	if err != nil {
		return view{}, err
	}
	e.learn(past.allHorizons(), 0)
	return view{past.namespace(store), head}, nil
}

// fromTheStart is the moment of the first fact.
var fromTheStart = &Moment{Seq: 1}

// holds reports whether v has all facts that reads as of m and later need.
func (v view) holds(m *Moment) bool {
	return m.Valid.IsZero() && (m.Seq == 0 || m.Seq >= v.dropped.seq) && (m.Time.IsZero() || m.Time.After(v.dropped.time))
}

// asOf returns the view as of the Seq of a moment.
func (v view) asOf(m *Moment) view {
	if m.none {
		v.head = 0
	} else if m.Seq != 0 {
		v.head = min(v.head, m.Seq)
	}
	return v
}

// latest returns the key's latest record; the zero Record if it has none.
func (v view) latest(key string) Record {
	r, _ := v.lookup(key)
	return r
}

// lookup returns the key's latest record, and the key's flags.
func (v view) lookup(key string) (Record, tip) {
	if v.namespace == nil {
		return Record{}, 0
	}
	r, t, _, _ := v.find(key)
	return r.through(v.head), t.flags()
}

// at returns the latest record of the key with a number; the zero Record if it has none.
func (v view) at(n uint32) Record {
	r, _ := v.last(n)
	return r.through(v.head)
}

// end returns how many records of the log the view has.
func (v view) end() int {
	count := int(v.count.Load())
	if count == 0 || v.nth(count-1).Seq() <= v.head {
		return count
	}
	return sort.Search(count, func(n int) bool { return v.nth(n).Seq() > v.head })
}

// facts yields the facts with a seq above after, in the order of the log.
func (v view) facts(after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if v.namespace == nil || after >= v.head {
			return
		}
		end := v.end()
		for n := sort.Search(end, func(n int) bool { return v.nth(n).Seq() > after }); n < end; n++ {
			if !yield(v.nth(n), nil) {
				return
			}
		}
	}
}

// factsSince yields the facts whose transaction time is not before t, in the order of the log.
func (v view) factsSince(t time.Time) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if v.namespace == nil {
			return
		}
		since := func(n int) bool { return !v.nth(n).TransactionTime().Before(t) }
		from, end := 0, v.end()
		if !v.outOfOrder.Load() {
			from = sort.Search(end, since)
		}
		for n := from; n < end; n++ {
			if since(n) && !yield(v.nth(n), nil) {
				return
			}
		}
	}
}

// An overlay is the keys that were written after the head of a view. Projections are updated while readers look at
// them, and before the head moves. A projection is right about a key of the view unless the overlay has the key; the
// reader updates the overlay after it has looked.
type overlay struct {
	view
	seen int               // how many records of the log were looked at
	keys map[uint32]uint64 // a bit for each key, 64 to a word; nil: none
}

func (v view) overlay() overlay { return overlay{view: v, seen: v.end()} }

// update adds the keys that were written since the last call, and reports whether the overlay has any.
func (o *overlay) update() bool {
	if o.seen < int(o.count.Load()) {
		o.grow()
	}
	return o.keys != nil
}

func (o *overlay) grow() {
	if o.keys == nil {
		o.keys = make(map[uint32]uint64)
	}
	for count := int(o.count.Load()); o.seen < count; o.seen++ {
		n := o.nth(o.seen).number()
		o.keys[n/64] |= 1 << (n % 64)
	}
}

func (o *overlay) has(n uint32) bool { return o.keys != nil && o.keys[n/64]>>(n%64)&1 != 0 }

// all yields the keys of the overlay, in no certain order.
func (o *overlay) all() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for word, w := range o.keys {
			for ; w != 0; w &= w - 1 {
				if !yield(word*64 + uint32(bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}
