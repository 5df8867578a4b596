// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A Sequencer numbers the facts of one log, in the log's order. It is not safe for concurrent use.
type Sequencer struct {
	fact func(seq uint64) (f backend.Fact, ok bool, err error) // reads a committed fact
	next uint64                                                // the next fact's Seq
	last time.Time                                             // every time assigned from now on is at or after it
	ids  idIndex
	keys keyIndex

	lookups [maxLookups]lookup // of the facts in Assign
	sum     uint64             // see lookUp

	pending []step // assigned but not yet committed, with consecutive seqs up to next
}

// A step is one assigned fact, with the state to undo it.
type step struct {
	fact backend.Fact
	key  undoKey
	last time.Time
}

// New returns a Sequencer of an empty log. Use [Sequencer.Load] for a log that has facts.
//
// fact reads the fact at seq; ok is false if the log has none there, or no longer. It must see all committed facts. Assign
// calls it for facts that are written again, and returns them to its caller, so they must share no memory with the log.
func New(fact func(seq uint64) (f backend.Fact, ok bool, err error)) *Sequencer {
	return &Sequencer{fact: fact, next: 1, ids: newIDIndex(), keys: newKeyIndex()}
}

// Next returns the Seq of the next fact.
func (s *Sequencer) Next() uint64 { return s.next }

// Time returns the latest transaction time of the log; zero if it holds no fact.
func (s *Sequencer) Time() time.Time { return s.last }

// Assign gives each new fact of a batch its Seq, Causation and TransactionTime, and returns the number of new facts. Their
// Seqs are consecutive, and begin with the result of Next before the call. Each other fact is replaced by the fact that its
// store holds under its ID, or will hold when an earlier call is committed.
//
// The facts must come from [Prepare] or [PrepareBatch]. now is the transaction time of facts that have none. After an error
// nothing is assigned, but some elements of facts may be changed.
//
// A held fact may differ from the given one, since the hash covers neither the white space in Value nor Producer and
// Derivation. If the differing values of held facts take more bytes than the batch and 16 KiB together, the batch is
// backend.ErrTooLarge.
func (s *Sequencer) Assign(facts []backend.Fact, expect []backend.Expect, now time.Time) (fresh int, err error) {
	start := len(s.pending)
	defer func() {
		if err != nil {
			s.rollback(start)
		}
		clear(s.lookups[:min(maxLookups, len(facts))]) // they may share the memory of facts
	}()
	now = wire.Time(now)
	conflict := s.check(expect) // before this batch changes the state; only counts if one of the facts is new
	room := heldRoom{limit: -1}
	var look []lookup
	for i := range facts {
		if len(look) == 0 {
			look = s.lookUp(facts[i:min(i+maxLookups, len(facts))])
		}
		at := &look[0]
		look = look[1:]
		held, ok, err := s.held(&facts[i], at)
		if err != nil {
			return 0, err
		}
		if ok {
			if err := room.take(&held, &facts[i], facts); err != nil {
				return 0, err
			}
			facts[i] = held
			continue
		}
		if conflict != nil {
			return 0, conflict
		}
		s.assign(&facts[i], at, now)
		fresh++
	}
	if len(facts) == 0 && conflict != nil {
		return 0, conflict
	}
	return fresh, nil
}

// A heldRoom limits the bytes in held facts that differ from the facts of a batch.
type heldRoom struct{ limit int } // -1: not known yet

// take makes held independent of the memory that it was read from. Values that equal given's, a fact of batch, share
// given's memory; other values are copied and counted.
func (r *heldRoom) take(held, given *backend.Fact, batch []backend.Fact) error {
	for _, x := range [...]struct{ held, given *json.RawMessage }{
		{&held.Value, &given.Value}, {&held.Producer, &given.Producer}, {&held.Derivation, &given.Derivation},
	} {
		if bytes.Equal(*x.held, *x.given) {
			*x.held = *x.given
			continue
		}
		if r.limit < 0 {
			r.limit = 16 << 10
			for i := range batch {
				r.limit += Size(&batch[i])
			}
		}
		if r.limit -= len(*x.held); r.limit < 0 {
			return fmt.Errorf("%w: the log holds fact %q already, with a value, producer or derivation that is written otherwise and takes much more than what was sent: read it at seq %d",
				backend.ErrTooLarge, given.ID, held.Seq)
		}
		*x.held = bytes.Clone(*x.held)
	}
	held.ID, held.Store, held.Key, held.ValueHash = given.ID, given.Store, given.Key, given.ValueHash
	held.Causation, held.By = strings.Clone(held.Causation), strings.Clone(held.By)
	return nil
}

// held returns the fact with f's ID, if f's store holds one. If it is another fact than f, the error is
// backend.ErrIDReused.
func (s *Sequencer) held(f *backend.Fact, at *lookup) (backend.Fact, bool, error) {
	for seq := range s.ids.find(f.Store, at.id, at.idHash) {
		held, ok, err := s.read(seq)
		if err != nil {
			return held, false, fmt.Errorf("look up fact %q at seq %d: %w", f.ID, seq, err)
		}
		if !ok || held.ID != f.ID || held.Store != f.Store {
			continue // pruned, or another ID with the same hash
		}
		if held.Key != f.Key || held.ValueHash != f.ValueHash {
			return held, false, fmt.Errorf("%w: %q names seq %d, key %q in store %q, value hash %s: give the new fact an ID of its own",
				backend.ErrIDReused, f.ID, held.Seq, held.Key, held.Store, held.ValueHash)
		}
		return held, true, nil
	}
	return backend.Fact{}, false, nil
}

// read returns a fact that is committed or pending.
func (s *Sequencer) read(seq uint64) (backend.Fact, bool, error) {
	if first := s.next - uint64(len(s.pending)); seq >= first {
		return s.pending[seq-first].fact.Clone(), true, nil
	}
	return s.fact(seq)
}

func (s *Sequencer) check(expect []backend.Expect) error {
	for i := range expect {
		e := &expect[i]
		if latest := s.keys.latest(e.Store, e.Key); latest != e.ID {
			return &backend.ConflictError{Store: e.Store, Key: e.Key, Expected: e.ID, Latest: latest}
		}
	}
	return nil
}

func (s *Sequencer) assign(f *backend.Fact, at *lookup, now time.Time) {
	f.Seq = s.next
	key := s.keys.set(f.Store, f.Key, at.keyHash, f.Seq, at.id)
	if f.Causation == "" {
		f.Causation = key.latest()
	}
	before := s.last
	if f.TransactionTime.IsZero() {
		f.TransactionTime = now
		if now.Before(s.last) {
			f.TransactionTime = after(s.last)
		}
	}
	if f.TransactionTime.After(s.last) {
		s.last = f.TransactionTime
	}
	s.next++
	s.ids.add(f.Store, at.idHash, f.Seq)
	s.pending = append(s.pending, step{*f, key, before})
}

// after returns the time a nanosecond after t; t if that is the last time that a fact can have.
func after(t time.Time) time.Time {
	if next := t.Add(1); next.Year() <= 9999 {
		return next
	}
	return t
}

// Commit tells the Sequencer that the log now holds all assigned facts.
func (s *Sequencer) Commit() {
	s.truncate(0)
}

// Rollback tells the Sequencer that the log holds none of the facts assigned since the last Commit. Their seqs are assigned
// again.
func (s *Sequencer) Rollback() { s.rollback(0) }

// Undo rolls back the last n assigned facts, as Rollback does with all.
func (s *Sequencer) Undo(n int) { s.rollback(len(s.pending) - n) }

func (s *Sequencer) rollback(to int) {
	for i := len(s.pending) - 1; i >= to; i-- {
		p := &s.pending[i]
		s.ids.remove(p.fact.Store, IDOf(p.fact.ID), p.fact.Seq)
		s.keys.undo(p.fact.Store, p.fact.Key, p.key)
		s.last, s.next = p.last, p.fact.Seq
	}
	s.truncate(to)
}

// truncate cuts pending to n steps. It keeps the memory for later steps, unless a very large batch made it large.
func (s *Sequencer) truncate(n int) {
	clear(s.pending[n:])
	s.pending = s.pending[:n]
	if n == 0 && cap(s.pending) > 4096 {
		s.pending = nil
	}
}

// ForgetSteps is the number of steps of [Sequencer.Forget].
const ForgetSteps = tableParts / 4

// Forget drops the IDs of facts that the log removed; removed reports whether the fact at seq was. Each call does one step,
// for a part of the IDs. Call it with the steps 0 to ForgetSteps-1; writes may go on in between. A log that does not call
// Forget works, but keeps some ten bytes for each removed fact.
func (s *Sequencer) Forget(step int, removed func(seq uint64) bool) {
	for i := range s.ids.tables {
		for part := step; part < tableParts; part += ForgetSteps {
			s.ids.tables[i].removeAll(part, removed)
		}
	}
}

// Latest returns the Seq of the key's latest fact, 0 if the key has none.
func (s *Sequencer) Latest(store, key string) uint64 { return s.keys.seq(store, key) }

// Pruned tells the Sequencer that the fact at seq was removed from the log. If it was the latest fact of its key, left
// becomes the latest; nil if the key has no fact left. Otherwise nothing changes.
func (s *Sequencer) Pruned(store, key string, seq uint64, left *backend.Fact) {
	if left == nil {
		left = new(backend.Fact)
	}
	s.keys.replace(store, key, seq, left.Seq, IDOf(left.ID))
}
