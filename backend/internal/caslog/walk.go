// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"iter"

	"github.com/igniter-store/igniter/backend"
)

// A step is a checked entry of a walk.
type step struct {
	Entry
	header
	standIn bool      // a Kept unit that replaces an erased one: At and End are the erased unit's original positions
	at      [2]uint64 // the first and the last position of the unit
}

// errBehind: a missing unit was pruned by a note that this process has not learned yet, or it can't be read now. Trying
// again helps.
var errBehind = errors.New("caslog: the log can't be read now, or was pruned meanwhile")

// walk yields the units after a head, through a position, or without end if that is 0. It passes every position. Units at
// missing positions must have been pruned; otherwise the error is a *backend.CorruptError. If learn is false, the caller
// holds mu, walk does not learn notes, and the error is errBehind instead. Other errors are temporary. The hash of the head
// is zero if it is unknown.
func (l *Log) walk(ctx context.Context, after head, through uint64, learn bool) iter.Seq2[step, error] {
	return func(yield func(step, error) bool) {
		w := walker{log: l, ctx: ctx, place: after, learn: learn, yield: yield}
		for e, err := range l.port.Read(ctx, after.pos, through) {
			if err == nil {
				if e.At <= w.place.pos {
					continue
				}
				if through != 0 && e.At > through {
					break
				}
				err = w.fill(e.At-1, &e)
			}
			if err == nil && !w.left && e.At > w.place.pos {
				err = w.pass(e)
			}
			if err != nil || w.left {
				w.end(err)
				return
			}
		}
		if through != 0 {
			w.end(w.fill(through, nil))
		}
	}
}

type walker struct {
	log   *Log
	ctx   context.Context
	place head
	learn bool
	yield func(step, error) bool
	left  bool // the loop's body has left the loop
}

func (w *walker) end(err error) {
	if err != nil && !w.left {
		w.yield(step{}, err)
	}
}

func (w *walker) give(s step) {
	w.left = !w.yield(s, nil)
}

// pass checks and yields the entry at the next position.
func (w *walker) pass(e Entry) error {
	if erased := w.log.pruned.Load().erased; erased.Has(e.At) {
		return w.skip(e.At)
	}
	h, err := parseHeader(&e)
	if err != nil {
		return w.log.corrupt("after seq %d: %v", w.place.seq, err)
	}
	if h.log != w.log.id {
		return &backend.DivergedError{Cursor: backend.Cursor{Log: w.log.id, Seq: w.place.seq}, Log: h.log}
	}
	if w.place.hash != (hash{}) && h.before != w.place.hash || e.At == 1 && h.before != (hash{}) {
		return w.log.corrupt("seq %d, at position %d, does not follow seq %d: the log before it is another one", h.first, e.At, w.place.seq)
	}
	w.place = head{e.End, e.At, h.after, max(w.place.seq, h.last)}
	w.give(step{Entry: e, header: h, at: [2]uint64{e.At, e.End}})
	return nil
}

// fill passes the positions through last, which Read did not yield. next is the entry after them; nil: not known.
func (w *walker) fill(last uint64, next *Entry) error {
	learned := !w.learn
	for w.place.pos < last && !w.left {
		at := w.place.pos + 1
		if w.log.pruned.Load().erased.Has(at) {
			if err := w.skip(at); err != nil {
				return err
			}
			continue
		}
		e, err := w.log.port.Get(w.ctx, at)
		if err == nil {
			if err = w.pass(e); err != nil {
				return err
			}
			continue
		}
		if !errors.Is(err, ErrNone) {
			return err
		}
		switch {
		case !w.learn:
			return errBehind
		case learned:
			return w.missing(at, next)
		}
		if err := w.log.learnNotes(w.ctx); err != nil {
			return err
		}
		learned = true
	}
	return nil
}

// missing returns the error for a position whose unit was removed.
func (w *walker) missing(at uint64, next *Entry) error {
	if next != nil {
		if h, err := parseHeader(next); err == nil {
			return w.log.corrupt("the facts from seq %d to %d, at position %d, were taken away: seq %d is followed by seq %d", w.place.seq+1, h.first-1, at, w.place.seq, h.first)
		}
	}
	return w.log.corrupt("the facts after seq %d, at position %d, were taken away", w.place.seq, at)
}

// skip passes a run of erased positions, and yields the Kept units that replace their units.
func (w *walker) skip(at uint64) error {
	last, in := w.log.pruned.Load().from(at)
	for _, k := range in {
		e, err := w.log.port.Get(w.ctx, k.Into)
		if errors.Is(err, ErrNone) { // a later prune has replaced it, or it was removed
			if !w.learn {
				return errBehind
			}
			if err = w.log.learnNotes(w.ctx); err == nil && w.log.pruned.Load().into(k.Into) {
				return w.log.corrupt("what a prune left of position %d, at position %d, was taken away; it is after seq %d", k.At, k.Into, w.place.seq)
			}
			if err == nil {
				err = errBehind
			}
		}
		if err != nil {
			return err
		}
		h, err := parseHeader(&e)
		if err != nil || h.log != w.log.id || e.Kind != Kept {
			return w.log.corrupt("position %d does not hold what a prune left of position %d: %v", k.Into, k.At, err)
		}
		at := [2]uint64{e.At, e.End}
		e.At, e.End = k.At, k.At
		w.place = head{pos: k.At, seq: max(w.place.seq, h.last)}
		if w.give(step{Entry: e, header: h, standIn: true, at: at}); w.left {
			return nil
		}
	}
	w.place = head{pos: last, seq: w.place.seq}
	return nil
}
