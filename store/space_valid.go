// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// deep is the number of facts of a key above which reads by valid time sort and keep them.
const deep = 64

// A validIndex has the records of a deep key by valid time. Reads build it and add new records to it, so that it costs
// writers nothing.
type validIndex struct {
	mu     sync.Mutex // held to add records
	sorted atomic.Pointer[validOrder]
}

// A validOrder has the first records of a key by valid time, and records of one time in the order of the log.
type validOrder struct {
	places []validPlace // places do not change; more may be appended
	depth  uint32       // how many records
}

type validPlace struct {
	sec   int64
	nanos int32
	ref   ref
}

func (p validPlace) compare(q validPlace) int {
	return cmp.Or(cmp.Compare(p.sec, q.sec), cmp.Compare(p.nanos, q.nanos))
}

func placeOf(t time.Time, r ref) validPlace { return validPlace{t.Unix(), int32(t.Nanosecond()), r} }

// validTime returns the time from which the fact is valid.
func (r Record) validTime() time.Time {
	if t := r.ValidTime(); !t.IsZero() {
		return t
	}
	return r.TransactionTime()
}

// validAt returns, among r and the records before it, the visible one by m.Time that is valid at m.Valid; the zero
// Record if none exists.
//
// If all records are visible, as in most reads, the number of steps is logarithmic in their number. Each
// record that is valid before m.Valid and not visible takes one more step.
func (r Record) validAt(m *Moment) (best Record) {
	visible := func(x Record) bool { return m.Time.IsZero() || !x.TransactionTime().After(m.Time) }
	if r.depth() < deep {
		for x := r; x.data != nil; x = x.prev() {
			if t := x.validTime(); visible(x) && !t.After(m.Valid) && (best.data == nil || t.After(best.validTime())) {
				best = x
			}
		}
		return best
	}
	places, last := r.space.byValid(r.number()), placeOf(m.Valid, 0)
	for n := sort.Search(len(places), func(n int) bool { return places[n].compare(last) > 0 }) - 1; n >= 0; n-- {
		if x := r.space.record(places[n].ref); x.Seq() <= r.Seq() && visible(x) {
			return x
		}
	}
	return Record{}
}

// byValid returns the places of a key's records by valid time.
func (s *namespace) byValid(key uint32) []validPlace {
	found, ok := s.valid.Load(key)
	if !ok {
		found, _ = s.valid.LoadOrStore(key, new(validIndex))
	}
	x := found.(*validIndex)
	latest := tip(s.keys.tips.at(key).Load()).ref()
	depth := s.record(latest).depth()
	if o := x.sorted.Load(); o != nil && o.depth >= depth {
		return o.places
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.sorted.Load()
	if old == nil {
		old = new(validOrder)
	} else if old.depth >= depth {
		return old.places
	}
	added := make([]validPlace, 0, depth-old.depth)
	for r := latest; len(added) < cap(added); r = ref(s.record(r).u64(atPrev)) {
		added = append(added, placeOf(s.record(r).validTime(), r))
	}
	slices.Reverse(added)
	slices.SortStableFunc(added, validPlace.compare)
	o := &validOrder{places: old.places, depth: depth}
	if n := len(o.places); n > 0 && o.places[n-1].compare(added[0]) > 0 {
		o.places = make([]validPlace, 0, n+len(added)+n/8)
		for _, p := range old.places {
			for ; len(added) > 0 && added[0].compare(p) < 0; added = added[1:] {
				o.places = append(o.places, added[0])
			}
			o.places = append(o.places, p)
		}
	}
	o.places = append(o.places, added...)
	x.sorted.Store(o)
	return o.places
}
