package store

import (
	"iter"
	"slices"
	"strings"
)

// A Query says which records of a store or scope to list, and in which order. The zero Query is all
// current ones, in the order in which their keys were first written.
type Query struct {
	At         Moment // as of when
	Prefix     string // of the key
	ByKey      bool   // in the order of their keys' bytes, not of their first writing
	Descending bool   // the last one first

	// OrderBy lists records in the order of what they have in a field, and those that have the same
	// there in the order of their keys' bytes; it goes before ByKey. First come those with nothing
	// or null, then false, true, numbers by their value, strings by their bytes, arrays and objects
	// by those of their canonical JSON. Every record that is asked for is looked at, whatever Limit
	// says. "": in no such order.
	OrderBy Field

	// After is the key after which to begin, in the order asked for: that of the last record of the
	// page before, see [Query.Next]. It need not be in what is listed, but its key must have been
	// written, unless ByKey or OrderBy is set. "": begin at the start. What changes between two pages
	// is listed as it then is, perhaps twice or not at all; with At all pages are of one state.
	// In the order of first writing a compaction in between may move keys.
	After string

	// AfterValue is what the record of After had in the field of OrderBy, as a Go value that becomes
	// JSON; nil: nothing, or null. With one that does not become JSON nothing is listed.
	AfterValue any

	Limit int // how many at most; 0: all

	begun bool // by Next: the empty key is a key to go on after
}

// records yields the records that q asks for and in, if not nil, is true of. m is nil, or has the
// keys that are in now. in is given the key's number, its latest record, the one that it had at
// the query's moment, and whether m had it before those were read.
func (q Query) records(s *namespace, m *members, in func(n uint32, latest, r Record, was bool) bool) iter.Seq[Record] {
	if q.OrderBy != "" {
		all := Query{At: q.At, Prefix: q.Prefix, ByKey: q.Prefix != ""}
		return q.ranked(all.records(s, m, in))
	}
	present := m != nil && q.At == (Moment{})
	return func(yield func(Record) bool) {
		left := q.Limit
		for n := range q.numbers(s, m, present) {
			was := m != nil && m.has(n)
			if present && !was {
				continue
			}
			latest, flags := s.key(n)
			if q.Prefix != "" && !strings.HasPrefix(latest.Key(), q.Prefix) {
				continue
			}
			r := latest.at(flags, q.At)
			if r.data == nil || r.Retracted() || in != nil && !in(n, latest, r, was) {
				continue
			}
			if !yield(r) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// numbers yields the numbers of keys in the order asked for, from the first one on that may be asked
// for; of those in m alone if present.
func (q Query) numbers(s *namespace, m *members, present bool) iter.Seq[uint32] {
	if q.ByKey {
		return q.sorted(s)
	}
	count := s.keys.count.Load()
	from, to := uint32(0), count
	if q.goesOn() {
		slot := s.find(q.After)
		if slot == nil {
			return func(func(uint32) bool) {}
		}
		if n := slot.number(); q.Descending {
			to = n
		} else {
			from = n + 1
		}
	}
	return func(yield func(uint32) bool) {
		if present {
			for n := range m.each(q.Descending) {
				if n >= from && n < to && !yield(n) {
					return
				}
			}
			return
		}
		for i := from; i < to; i++ {
			n := i
			if q.Descending {
				n = to - 1 - (i - from)
			}
			if !yield(n) {
				return
			}
		}
	}
}

func (q Query) sorted(s *namespace) iter.Seq[uint32] {
	all := s.sortedKeys()
	key := func(n uint32) string {
		r, _ := s.key(n)
		return r.Key()
	}
	find := func(k string, past bool) int { // the first key that is not before k, or past it
		i, _ := slices.BinarySearchFunc(all, k, func(n uint32, k string) int {
			if c := strings.Compare(key(n), k); c != 0 || !past {
				return c
			}
			return -1
		})
		return i
	}
	from, to := find(q.Prefix, false), len(all)
	if q.Prefix != "" { // those with the prefix lie side by side
		to, _ = slices.BinarySearchFunc(all, q.Prefix, func(n uint32, prefix string) int {
			if k := key(n); strings.HasPrefix(k, prefix) || k < prefix {
				return -1
			}
			return 1
		})
	}
	if q.goesOn() && q.Descending {
		to = min(to, find(q.After, false))
	} else if q.goesOn() {
		from = max(from, find(q.After, true))
	}
	return func(yield func(uint32) bool) {
		for i := from; i < to; i++ {
			n := all[i]
			if q.Descending {
				n = all[to-1-(i-from)]
			}
			if !yield(n) {
				return
			}
		}
	}
}

// sortedKeys returns the numbers of all keys in the order of the keys' bytes. They are kept, and new
// keys are merged in.
func (s *namespace) sortedKeys() []uint32 {
	s.sorting.Lock()
	defer s.sorting.Unlock()
	old, count := s.sorted, s.keys.count.Load()
	if len(old) == int(count) {
		return old
	}
	key := func(n uint32) string {
		r, _ := s.key(n)
		return r.Key()
	}
	added := make([]uint32, 0, int(count)-len(old))
	for n := uint32(len(old)); n < count; n++ {
		added = append(added, n)
	}
	slices.SortFunc(added, func(a, b uint32) int { return strings.Compare(key(a), key(b)) })
	all := make([]uint32, 0, count)
	for len(old) > 0 && len(added) > 0 {
		if key(old[0]) < key(added[0]) {
			all, old = append(all, old[0]), old[1:]
		} else {
			all, added = append(all, added[0]), added[1:]
		}
	}
	s.sorted = append(append(all, old...), added...)
	return s.sorted
}
