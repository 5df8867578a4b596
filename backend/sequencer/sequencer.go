// Package sequencer is the part of a log that memory and file share: the one place that gives
// facts their Seq, Causation and TransactionTime, knows which IDs the log holds and each key's
// latest fact, and checks expectations.
//
// It works on what it holds in memory alone, but for the facts of IDs seen before, which it reads
// from the log to compare.
package sequencer

import (
	"fmt"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A Log is what a Sequencer needs of the log it numbers.
type Log interface {
	// Fact returns the fact at seq; false if the log holds none there (any more). It sees all that
	// was committed.
	Fact(seq uint64) (backend.Fact, bool, error)
}

// A Sequencer numbers the facts of one log. It is not safe for concurrent use: the one who writes
// the log uses it, in the order of the log.
//
// Facts are assigned, then the log is written, then the assignments are committed, or rolled back
// when writing failed. Several calls of Assign may come before a Commit, each seeing the ones
// before it.
type Sequencer struct {
	log  Log
	next uint64    // the next fact's Seq
	last time.Time // no assigned time is before it
	ids  idIndex
	keys keyIndex

	pending []step // assigned and not yet committed, with consecutive Seqs up to next
}

// A step is one fact assigned, and what it takes to undo that.
type step struct {
	fact backend.Fact
	key  undoKey
	last time.Time
}

// New returns a Sequencer of an empty log. [Sequencer.Load] takes in what a log holds already.
func New(log Log) *Sequencer {
	return &Sequencer{log: log, next: 1, ids: newIDIndex(), keys: newKeyIndex()}
}

// Next returns the Seq of the next fact.
func (s *Sequencer) Next() uint64 { return s.next }

// Skip makes the next Seq at least next, for a log whose last facts are gone.
func (s *Sequencer) Skip(next uint64) { s.next = max(s.next, next) }

// Load takes in a fact that the log holds. Facts are loaded in the order of their Seqs.
func (s *Sequencer) Load(f *backend.Fact) {
	s.next = f.Seq + 1
	s.LoadTime(f.TransactionTime)
	id := IDOf(f.ID)
	s.ids.add(id, f.Seq)
	s.ids.age()
	s.keys.set(f.Store, f.Key, f.Seq, id)
}

// Reserve makes room for facts to be loaded, of so many IDs and keys, so that it need not grow for
// each.
func (s *Sequencer) Reserve(ids, keys int) {
	s.ids.reserve(ids)
	s.keys.table.reserve(keys)
}

// A Loaded is what the sequencer must know of a fact that the log holds: its place and ID, and for
// LoadKeys its key.
type Loaded struct {
	Store, Key string
	Seq        uint64
	ID         ID
}

// LoadIDs takes in the IDs of facts that the log holds, for a log that keeps IDs apart: in the order
// of Seqs, and the latest ones at least. With LoadKeys, [Sequencer.LoadTime] and [Sequencer.Skip] it
// stands for Load; each may run on a goroutine of its own. Many at once take much less time than one
// by one, some thousand at most.
func (s *Sequencer) LoadIDs(facts []Loaded) {
	s.ids.warm(facts)
	for i := range facts {
		s.ids.add(facts[i].ID, facts[i].Seq)
		s.ids.age()
	}
}

// LoadKeys makes facts that the log holds the latest of their keys.
func (s *Sequencer) LoadKeys(facts []Loaded) {
	s.keys.warm(facts)
	for i := range facts {
		f := &facts[i]
		s.keys.set(f.Store, f.Key, f.Seq, f.ID)
	}
}

// LoadTime takes in a transaction time of a fact that the log holds.
func (s *Sequencer) LoadTime(t time.Time) {
	if t.After(s.last) {
		s.last = t
	}
}

// Assign gives each of the facts its place, as the contract of WriteFact and WriteBatch says, and
// returns how many of them are new to the log; the others are replaced by what the log holds, or
// will hold once an earlier call's facts are committed: their Seqs tell. The facts must be valid,
// and now is the transaction time of those that have none. After an error nothing is assigned, and
// the facts are as they were or in part changed.
func (s *Sequencer) Assign(facts []backend.Fact, expect []backend.Expect, now time.Time) (fresh int, err error) {
	start := len(s.pending)
	defer func() {
		if err != nil {
			s.rollback(start)
		}
	}()
	conflict := s.check(expect) // of the state before this batch, for when one of the facts is new
	for i := range facts {
		id := IDOf(facts[i].ID)
		held, ok, err := s.held(&facts[i], id)
		if err != nil {
			return 0, err
		}
		if ok {
			facts[i] = held
			continue
		}
		if conflict != nil {
			return 0, conflict
		}
		s.assign(&facts[i], id, now)
		fresh++
	}
	if len(facts) == 0 && conflict != nil {
		return 0, conflict
	}
	return fresh, nil
}

// held returns the fact with f's ID, if the log holds it and it says the same as f.
func (s *Sequencer) held(f *backend.Fact, id ID) (backend.Fact, bool, error) {
	for seq := range s.ids.find(id) {
		held, ok, err := s.fact(seq)
		if err != nil {
			return held, false, fmt.Errorf("look up fact %q at seq %d: %w", f.ID, seq, err)
		}
		if !ok || held.ID != f.ID {
			continue // pruned, or another ID with the same hash
		}
		if held.Store != f.Store || held.Key != f.Key || held.ValueHash != f.ValueHash {
			return held, false, fmt.Errorf("%w: %q names seq %d, key %q in store %q, value hash %s: give the new fact an ID of its own",
				backend.ErrIDReused, f.ID, held.Seq, held.Key, held.Store, held.ValueHash)
		}
		return held, true, nil
	}
	return backend.Fact{}, false, nil
}

func (s *Sequencer) fact(seq uint64) (backend.Fact, bool, error) {
	if first := s.next - uint64(len(s.pending)); seq >= first {
		return s.pending[seq-first].fact.Clone(), true, nil
	}
	return s.log.Fact(seq)
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

func (s *Sequencer) assign(f *backend.Fact, id ID, now time.Time) {
	f.Seq = s.next
	key := s.keys.set(f.Store, f.Key, f.Seq, id)
	if f.Causation == "" {
		f.Causation = key.latest()
	}
	before := s.last
	if f.TransactionTime.IsZero() {
		f.TransactionTime = now
		if now.Before(s.last) {
			f.TransactionTime = s.last
		}
	}
	if f.TransactionTime.After(s.last) {
		s.last = f.TransactionTime
	}
	s.next++
	s.ids.add(id, f.Seq)
	s.pending = append(s.pending, step{*f, key, before})
}

// Commit says that the log holds everything that was assigned, and Log.Fact yields it.
func (s *Sequencer) Commit() {
	s.ids.age()
	s.truncate(0)
}

// Rollback says that nothing of what was assigned since the last Commit was written. Its Seqs are
// given again.
func (s *Sequencer) Rollback() { s.rollback(0) }

// Undo takes back the last n facts assigned, as Rollback does all of them.
func (s *Sequencer) Undo(n int) { s.rollback(len(s.pending) - n) }

func (s *Sequencer) rollback(to int) {
	for i := len(s.pending) - 1; i >= to; i-- {
		p := &s.pending[i]
		s.ids.remove(IDOf(p.fact.ID), p.fact.Seq)
		s.keys.undo(p.fact.Store, p.fact.Key, p.key)
		s.last, s.next = p.last, p.fact.Seq
	}
	s.truncate(to)
}

// truncate cuts pending to n steps and lets go of what the others point to. It keeps room for
// later ones, but not that of an extraordinary batch.
func (s *Sequencer) truncate(n int) {
	clear(s.pending[n:])
	s.pending = s.pending[:n]
	if n == 0 && cap(s.pending) > 4096 {
		s.pending = nil
	}
}

// Latest returns the Seq of the key's latest fact, 0 if it has none.
func (s *Sequencer) Latest(store, key string) uint64 { return s.keys.seq(store, key) }

// Pruned says that the fact at seq is gone from the log. Where it was its key's latest, left is
// that now; nil if the key has no fact left. Where it was not, nothing changes.
func (s *Sequencer) Pruned(store, key string, seq uint64, left *backend.Fact) {
	if left == nil {
		left = new(backend.Fact)
	}
	s.keys.replace(store, key, seq, left.Seq, IDOf(left.ID))
}
