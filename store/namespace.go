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

// A namespace is the facts of one store: in the order of the log, and those of each key as a chain
// from the latest one back.
type namespace struct {
	name      string
	arena     arena
	keys      keyTable
	producers producers
	log       pages[atomic.Uint64] // refs of all records, in the order of the log
	count     atomic.Uint32        // of records in log
	newest    time.Time            // the latest transaction time
	unruly    atomic.Bool          // a transaction time is before that of an earlier fact
	scratch   []byte
	surplus   int    // facts beyond those that trim keeps
	floor     uint64 // all facts that trim dropped were followed by one with a seq through it; never changes

	upcasts     atomic.Pointer[upcasts] // nil: values are read as they are
	projections []projection            // kept up by add
	ids         atomic.Pointer[idTable] // nil: nobody has asked yet

	valid sync.Map // *validIndex by the number of a deep key

	sorting sync.Mutex // guards sorted
	sorted  []uint32   // see sortedKeys
}

func newNamespace(name string) *namespace {
	return &namespace{name: name, keys: keyTable{seed: maphash.MakeSeed()}}
}

// add makes f, whose seq is above all others, the latest fact of its key.
func (s *namespace) add(f *backend.Fact) { s.addAs(f, s.keys.count.Load()) }

// addAs is add, with the number that the key gets if it is a new one.
func (s *namespace) addAs(f *backend.Fact, number uint32) {
	var before head
	slot := s.find(f.Key)
	if slot != nil {
		before, number = head(slot.head.Load()), slot.number()
	}
	prev := s.record(before.ref())
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

	after := head(r) | before.flags()
	if prev.data != nil && f.TransactionTime.Before(prev.TransactionTime()) {
		after |= keyUnruly
	}
	if !f.ValidTime.IsZero() {
		after |= keyValid
	}
	if slot == nil {
		s.keys.add(number, f.Key, after)
	} else {
		s.keys.set(slot, after)
	}

	latest := s.record(r)
	for _, p := range s.projections {
		p.put(number, prev, latest)
	}
	if f.TransactionTime.Before(s.newest) {
		s.unruly.Store(true)
	} else {
		s.newest = f.TransactionTime
	}
	n := s.count.Load()
	s.log.room(n)
	s.log.at(n).Store(uint64(r))
	if t := s.ids.Load(); t != nil {
		t.add(n, f.ID)
	}
	s.count.Store(n + 1)
}

func (s *namespace) record(r ref) Record {
	if r == 0 {
		return Record{}
	}
	return Record{space: s, data: s.arena.from(r)}
}

// latest returns the key's latest record, and the key's flags.
func (s *namespace) latest(key string) (Record, head) {
	slot := s.find(key)
	if slot == nil {
		return Record{}, 0
	}
	h := head(slot.head.Load())
	return s.record(h.ref()), h.flags()
}

// key returns the latest record of the key with a number, and the key's flags.
func (s *namespace) key(n uint32) (Record, head) {
	h := head(s.keys.latest.at(n).Load())
	return s.record(h.ref()), h.flags()
}

// at returns the record among r and those before it that is the key's value at a moment, a
// retraction perhaps; the zero Record if there is none. flags are the key's.
func (r Record) at(flags head, m Moment) Record {
	if m.none {
		return Record{}
	}
	if m.Seq != 0 {
		r = r.search(func(r Record) bool { return r.Seq() <= m.Seq })
	}
	if m.Valid.IsZero() || flags == 0 {
		// Facts in the order of their times, or none of them asked for.
		t := m.Time
		if !m.Valid.IsZero() && (t.IsZero() || m.Valid.Before(t)) {
			t = m.Valid
		}
		if t.IsZero() {
			return r
		}
		visible := func(r Record) bool { return !r.TransactionTime().After(t) }
		if flags&keyUnruly == 0 {
			return r.search(visible)
		}
		for r.data != nil && !visible(r) {
			r = r.prev()
		}
		return r
	}
	return r.validAt(m)
}

// search returns the first record from r back that is ok, where all before one that is ok are too.
// It takes a number of steps that is the logarithm of r's depth.
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

// nth returns the n-th record in the order of the log, counted from 0.
func (s *namespace) nth(n int) Record { return s.record(ref(s.log.at(uint32(n)).Load())) }
