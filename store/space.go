// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A namespace holds the facts of one store: in the order of the log, and for each key as a chain from the latest fact
// back. Facts are only added. To drop facts, the engine replaces the namespace with a copy without them; readers of the
// old namespace go on with it.
type namespace struct {
	name    string
	since   uint64 // views as of earlier seqs may need facts that were dropped
	dropped dropped
	keys    keyTable
	arena   arena
	writers writers
	log     array[atomic.Uint64] // refs of all records, in the order of the log
	count   atomic.Uint32        // of records in log

	newest     atomic.Uint32 // the record with the latest transaction time: its place in log, from 1; 0: none
	outOfOrder atomic.Bool   // a fact has an earlier transaction time than the fact before it
	scratch    []byte
	surplus    int // facts that trim would drop

	upcasts     atomic.Pointer[upcasts]   // nil: values are read as they are
	projections atomic.Pointer[[]owned]   // replaced as a whole
	ids         atomic.Pointer[hashTable] // places in log by ID; nil: not built yet
	valid       sync.Map                  // *validIndex by the number of a deep key

	sorting sync.Mutex // guards sorted
	sorted  []uint32   // see sortedKeys

	orders orders
}

// A dropped describes the facts that trim dropped from a namespace. The successor of a dropped fact, which is the next
// fact of its key, may be dropped, too. The zero dropped says that no facts were dropped.
type dropped struct {
	seq  uint64    // the greatest seq of a successor
	time time.Time // the latest transaction time of a dropped fact or a successor
}

func newNamespace(name string) *namespace {
	return &namespace{name: name, keys: keyTable{table: hashTable{seed: maphash.MakeSeed(), wide: 1}}}
}

// add makes f, whose seq is above all others, the latest fact of its key.
func (s *namespace) add(f *backend.Fact) { s.addAs(f, s.keys.count.Load()) }

// addAs is add, with the number that the key gets if it is new.
//
// It adds the record to the log before it updates the projections. So a reader that looks at a projection first and at
// the end of the log afterwards finds every key for which the projection may be ahead, see overlay.
func (s *namespace) addAs(f *backend.Fact, number uint32) {
	prev, before, known, word := s.find(f.Key)
	if word != nil {
		number = known
	}
	jump := uint64(before.ref())
	if j := prev.jump(); prev.depth()-j.depth() == j.depth()-j.jump().depth() {
		jump = j.u64(atJump)
	}
	s.scratch = s.encode(s.scratch[:0], f, prev)
	binary.LittleEndian.PutUint64(s.scratch[atPrev:], uint64(before.ref()))
	binary.LittleEndian.PutUint64(s.scratch[atJump:], jump)
	binary.LittleEndian.PutUint32(s.scratch[atKey:], number)
	binary.LittleEndian.PutUint32(s.scratch[atDepth:], prev.depth()+1)
	r := s.arena.add(s.scratch)
	if cap(s.scratch) > maxArenaChunk {
		s.scratch = nil
	}

	after := tip(r) | before.flags()
	if prev.data != nil && f.TransactionTime.Before(prev.TransactionTime()) {
		after |= keyOutOfOrder
	}
	if !f.ValidTime.IsZero() {
		after |= keyValid
	}
	if word == nil {
		s.keys.add(number, f.Key, after)
	} else {
		word.Store(uint64(after))
		s.keys.tips.at(number).Store(uint64(after))
	}
	n := s.count.Load()
	s.log.room(n)
	s.log.at(n).Store(uint64(r))
	if newest := s.newest.Load(); newest > 0 && f.TransactionTime.Before(s.nth(int(newest)-1).TransactionTime()) {
		s.outOfOrder.Store(true)
	} else {
		s.newest.Store(n + 1)
	}
	if t := s.ids.Load(); t != nil {
		t.add(f.ID, n, 0)
	}
	s.count.Store(n + 1)
	latest := s.record(r)
	for _, p := range s.built() {
		p.put(number, prev, latest)
	}
}

func (s *namespace) record(r ref) Record {
	if r == 0 {
		return Record{}
	}
	return Record{space: s, data: s.arena.from(r)}
}

// nth returns the n-th record in the order of the log, counted from 0.
func (s *namespace) nth(n int) Record { return s.record(ref(s.log.at(uint32(n)).Load())) }

// last returns the latest record of the key with a number, and the key's flags.
func (s *namespace) last(n uint32) (Record, tip) {
	t := tip(s.keys.tips.at(n).Load())
	return s.record(t.ref()), t.flags()
}

// without returns a copy of the namespace without the facts for which gone is true. The copy serves views as of since
// and later. Its keys are in the order of their first remaining facts or, with stable, in the same order as before;
// then each key must keep a fact.
func (s *namespace) without(gone func(Record) bool, stable bool, since uint64) *namespace {
	kept := newNamespace(s.name)
	kept.upcasts.Store(s.upcasts.Load())
	kept.dropped, kept.since = s.dropped, since
	for n := range int(s.count.Load()) {
		r := s.nth(n)
		if gone(r) {
			continue
		}
		if f := r.Fact(); stable {
			kept.addAs(&f, r.number())
		} else {
			kept.add(&f)
		}
	}
	return kept
}

// through returns the last record from r back whose seq is at most seq.
func (r Record) through(seq uint64) Record {
	if r.Seq() > seq {
		r = r.before(seq)
	}
	return r
}

func (r Record) before(seq uint64) Record {
	for r.Seq() > seq {
		if j := r.jump(); j.Seq() > seq {
			r = j
		} else {
			r = r.prev()
		}
	}
	return r
}

// search returns the first record from r back that is ok. All records before one that is ok must be ok too. It
// takes a number of steps that is logarithmic in r's depth.
func (r Record) search(ok func(Record) bool) Record {
	for r.data != nil && !ok(r) {
		if j := r.jump(); j.data != nil && !ok(j) {
			r = j
		} else {
			r = r.prev()
		}
	}
	return r
}

// at returns the key's value by the Time and Valid of a moment, among r and the records before it. The result may be a
// retraction, or the zero Record. Time or Valid must not be zero. flags are the key's flags.
func (r Record) at(flags tip, m *Moment) Record {
	if !m.Valid.IsZero() && flags != 0 {
		return r.validAt(m)
	}
	// Here the facts are in the order of their times, or Valid is zero.
	t := m.Time
	if !m.Valid.IsZero() && (t.IsZero() || m.Valid.Before(t)) {
		t = m.Valid
	}
	visible := func(r Record) bool { return !r.TransactionTime().After(t) }
	if flags&keyOutOfOrder == 0 {
		return r.search(visible)
	}
	for r.data != nil && !visible(r) {
		r = r.prev()
	}
	return r
}

// history yields the key's records from the first to r.
func (r Record) history() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		chain := make([]Record, 0, r.depth())
		for v := r; v.data != nil; v = v.prev() {
			chain = append(chain, v)
		}
		for _, v := range slices.Backward(chain) {
			if !yield(v) {
				return
			}
		}
	}
}
