// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
)

// A Query says which records of a store or scope to list, and in which order. The zero Query lists all
// current records, in the order in which their keys were first written.
type Query struct {
	At         Moment // as of when
	Prefix     string // of the key
	ByKey      bool   // order records by the bytes of their keys
	Descending bool   // the last record first

	// OrderBy orders records by the value of a field, and records with equal values by the bytes of their keys; ByKey
	// is ignored. First come records with no value or null, then false, true, numbers by value, strings by bytes,
	// arrays, and objects by the bytes of their canonical JSON. "": no such order. Times that are strings are ordered
	// by their bytes, so that times with different zones or with fractions of seconds are out of order; see ReadBy.
	//
	// A list by a field looks at every record, whatever Limit is. If the present is listed by the same field again
	// before many facts are written, the engine keeps the order; a list then looks only at the records that it yields
	// and at recent writes. The engine keeps orders by at most eight fields of a store, at 4 bytes a key each. It keeps
	// no orders of a store with more than 4 million keys.
	OrderBy Field

	// Where reports whether a record is listed; nil: all are. It is called for each record that the list looks at. A
	// Cursor does not include Where: pass the same Where for each page.
	Where func(r Record) bool `json:"-"`

	// Cursor is the Next of the previous [Results], to list the page after them. "": the first page. A Cursor belongs
	// to one query: all fields but Limit must stay the same. A record that changes between two pages may be listed
	// twice or not at all; with At, all pages show one state. A compaction between two pages may change the order of
	// first writing.
	Cursor string

	Limit int // how many records at most; 0: no limit

	by FieldReader // reads OrderBy; nil: JSON
}

// ReadBy returns q with a reader for the field of OrderBy. Package companion sets one for the type of its records.
func (q Query) ReadBy(by FieldReader) Query {
	q.by = by
	return q
}

// Results is a page of what a Query lists.
type Results struct {
	Records []Record `json:"records"`
	Next    string   `json:"next,omitempty"` // the Cursor of the next page; "": none
}

// List yields the records of a store that q selects, in q's order. A retracted key has no record. All records are of
// one state of the log: the head when the loop begins, or q.At. Each pair is a record and nil, or the zero Record and
// an error, which ends the loop. A Limit below 0 and a Cursor of another query are *backend.InvalidError; other errors
// are as in [Engine.GetAt]. The loop's body may call any method.
func (e *Engine) List(ctx context.Context, store string, q Query) iter.Seq2[Record, error] {
	return q.list(ctx, e, store, nil)
}

// Query returns a page of the records that List yields, and where the next page begins.
func (e *Engine) Query(ctx context.Context, store string, q Query) (Results, error) {
	return q.page(ctx, e, store, nil)
}

// list lists the records of a store, or of s if s is not nil.
func (q Query) list(ctx context.Context, e *Engine, store string, s *Scope) iter.Seq2[Record, error] {
	return records(func() (iter.Seq2[Record, error], error) {
		from, err := q.begin(store)
		if err != nil {
			return nil, fmt.Errorf("store: list: %w", err)
		}
		v, err := e.viewAt(ctx, store, &q.At)
		if err != nil {
			return nil, fmt.Errorf("store: list: %w", err)
		}
		if v.namespace == nil {
			return none, nil
		}
		p := s.pick(v, q.At)
		if from.begun && q.OrderBy == "" && !q.ByKey {
			if from.number, err = p.after(from.Key); err != nil {
				return nil, fmt.Errorf("store: list: %w", err)
			}
		}
		return q.records(p, from), nil
	})
}

// none yields no records.
func none(func(Record, error) bool) {}

// page collects the records that list yields, up to the limit. It asks for one record more to learn whether a page
// follows.
func (q Query) page(ctx context.Context, e *Engine, store string, s *Scope) (Results, error) {
	limit := q.Limit
	if limit > 0 && limit < math.MaxInt {
		q.Limit++
	}
	var page Results
	for r, err := range q.list(ctx, e, store, s) {
		if err != nil {
			return Results{}, err
		}
		if limit > 0 && len(page.Records) == limit {
			page.Next = q.cursor(store, page.Records[limit-1])
			break
		}
		page.Records = append(page.Records, r)
	}
	return page, nil
}

// A pick is the records of a view from which a query selects.
type pick struct {
	view
	moment  Moment              // its Time and Valid; the view has its Seq
	fits    func(r Record) bool // nil: all
	members *members            // the keys whose records fit; nil: fits is asked about each
	overlay overlay             // the keys that members may be wrong about
	order   *order              // of Query.OrderBy; nil: there is no kept order
}

// pick returns the records of the scope as of a moment; of a nil scope, all records.
func (s *Scope) pick(v view, m Moment) pick {
	p := pick{view: v.asOf(&m), moment: m}
	if s == nil {
		return p
	}
	p.fits = s.has
	if m.timeless() && p.recent() {
		p.members = s.members(p.view)
		p.overlay = p.view.overlay()
	}
	if p.members == nil && s.engine.reentered() {
		p.fits = s.asked
	}
	return p
}

// recent reports whether there are fewer facts after the view's head than keys.
func (v view) recent() bool { return v.count.Load()-uint32(v.end()) <= v.keys.count.Load() }

// records yields the records that q lists, after a position.
func (q Query) records(p pick, from position) iter.Seq2[Record, error] {
	if q.OrderBy != "" {
		if q.fewer(&p) {
			p.order = q.order(&p)
		}
		if p.order == nil {
			all := Query{Prefix: q.Prefix, ByKey: q.Prefix != "", Where: q.Where}
			return q.ranked(all.records(p, position{}), from)
		}
		p.head = p.order.now.head
	}
	timeless := p.moment.timeless()
	return func(yield func(Record, error) bool) {
		left := q.Limit
		for n, in := range q.numbers(&p, from) {
			r, flags := p.last(n)
			if r = r.through(p.head); !timeless {
				r = r.at(flags, &p.moment)
			}
			if !r.live() || q.Prefix != "" && !strings.HasPrefix(r.Key(), q.Prefix) || !in && !p.fits(r) || q.Where != nil && !q.Where(r) {
				continue
			}
			if !yield(r, nil) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// fewer reports whether it is faster to go through a kept order of all records than to sort the records that are in the
// scope and have the prefix.
func (q Query) fewer(p *pick) bool {
	if p.members == nil && p.fits != nil {
		return false
	}
	all := float64(p.keys.count.Load())
	in := all
	if p.members != nil {
		in = float64(p.members.count.Load())
	}
	if q.Prefix != "" {
		in = min(in, float64(len(q.prefixed(p))))
	}
	return in == all || q.Limit > 0 && in*in > all*float64(q.Limit)/16
}

// numbers yields the numbers of the keys that q may list, in its order. If in is false, fits has to decide.
func (q Query) numbers(p *pick, from position) iter.Seq2[uint32, bool] {
	if p.order != nil {
		return p.among(p.order.numbers(q.Descending, from))
	}
	if q.ByKey {
		return q.sorted(p, from)
	}
	first, last := uint32(0), p.keys.count.Load()
	if from.begun && q.Descending {
		last = from.number
	} else if from.begun {
		first = from.number + 1
	}
	return func(yield func(n uint32, in bool) bool) {
		if p.members != nil {
			for n, in := range p.members.each(&p.overlay, q.Descending) {
				if n >= first && n < last && !yield(n, in) {
					return
				}
			}
			return
		}
		for i := first; i < last; i++ {
			n := i
			if q.Descending {
				n = last - 1 - (i - first)
			}
			if !yield(n, p.fits == nil) {
				return
			}
		}
	}
}

// sorted yields the numbers of the keys that have the prefix, in the order of their bytes.
func (q Query) sorted(p *pick, begin position) iter.Seq2[uint32, bool] {
	all := q.prefixed(p)
	if begin.begun && q.Descending {
		all = all[:p.place(all, begin.Key, false)]
	} else if begin.begun {
		all = all[p.place(all, begin.Key, true):]
	}
	return p.among(func(yield func(uint32) bool) {
		for i := range all {
			n := all[i]
			if q.Descending {
				n = all[len(all)-1-i]
			}
			if !yield(n) {
				return
			}
		}
	})
}

// prefixed returns the numbers of the keys that have the prefix, in the order of their bytes.
func (q Query) prefixed(p *pick) []uint32 {
	all := p.sortedKeys()
	if q.Prefix == "" {
		return all
	}
	all = all[p.place(all, q.Prefix, false):]
	end, _ := slices.BinarySearchFunc(all, q.Prefix, func(n uint32, prefix string) int { // keys with the prefix are side by side
		if strings.HasPrefix(p.key(n), prefix) {
			return -1
		}
		return 1
	})
	return all[:end]
}

// key returns the key with a number.
func (s *namespace) key(n uint32) string {
	r, _ := s.last(n)
	return r.Key()
}

// place returns the first place in sorted keys that is at or after key; with past, after key.
func (s *namespace) place(sorted []uint32, key string, past bool) int {
	i, _ := slices.BinarySearchFunc(sorted, key, func(n uint32, key string) int {
		if c := strings.Compare(s.key(n), key); c != 0 || !past {
			return c
		}
		return -1
	})
	return i
}

// among yields the given keys that may be in the scope. If in is false, fits has to decide.
func (p *pick) among(numbers iter.Seq[uint32]) iter.Seq2[uint32, bool] {
	return func(yield func(n uint32, in bool) bool) {
		for n := range numbers {
			in := p.fits == nil
			if p.members != nil {
				in = p.members.has(n)
				if p.overlay.update() && p.overlay.has(n) {
					in = false
				} else if !in {
					continue
				}
			}
			if !yield(n, in) {
				return
			}
		}
	}
}

// sortedKeys returns the numbers of all keys in the order of the keys' bytes. It keeps the result, and merges
// new keys into it.
func (s *namespace) sortedKeys() []uint32 {
	s.sorting.Lock()
	defer s.sorting.Unlock()
	old, count := s.sorted, s.keys.count.Load()
	if len(old) == int(count) {
		return old
	}
	added := make([]uint32, 0, int(count)-len(old))
	for n := uint32(len(old)); n < count; n++ {
		added = append(added, n)
	}
	slices.SortFunc(added, func(a, b uint32) int { return strings.Compare(s.key(a), s.key(b)) })
	all := make([]uint32, 0, count)
	for len(old) > 0 && len(added) > 0 {
		if s.key(old[0]) < s.key(added[0]) {
			all, old = append(all, old[0]), old[1:]
		} else {
			all, added = append(all, added[0]), added[1:]
		}
	}
	s.sorted = append(append(all, old...), added...)
	return s.sorted
}
