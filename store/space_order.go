// SPDX-License-Identifier: Apache-2.0

package store

import (
	"iter"
	"reflect"
	"slices"
	"sync"
)

// Limits of the orders that are kept of a namespace. One takes 4 bytes a key, and some 100 bytes a key for the
// moment in which it is made.
const (
	maxOrders      = 8       // the least recently used one is dropped
	maxOrderedKeys = 1 << 22 // a namespace with more keys has none
)

// orders are the orders by field that queries of a namespace have asked for, the latest first.
type orders struct {
	mu  sync.Mutex
	all []*askedOrder
}

// An askedOrder is an order that a query has asked for. The first list by a field looks at every record. If another
// list by the same field follows before many facts were added, the order is made and kept.
type askedOrder struct {
	field  Field
	by     FieldReader
	facts  int    // of the namespace, when it was asked for last
	making bool   // a query makes it
	made   *order // nil: not made
}

// An order is the keys of a view in the order of Query.OrderBy, ascending. It never changes.
type order struct {
	q       Query // its OrderBy and by
	upcasts *upcasts
	base    view     // the view of sorted
	sorted  []uint32 // the numbers of the keys that had a value
	now     view
	written []uint32 // the numbers of the keys that were written between base and now, ascending
	fresh   []uint32 // the written keys that have a value now, in order
}

// order returns the kept order for q, or nil if none exists or it is newer than p: then q looks at every record. If p
// has no moment, the order may be newer than p.
func (q Query) order(p *pick) *order {
	if !p.moment.timeless() || q.by != nil && !reflect.ValueOf(q.by).Comparable() {
		return nil
	}
	keys, facts := int(p.keys.count.Load()), p.end()
	many := max(64, keys/16)
	if keys > maxOrderedKeys {
		return nil
	}
	s := &p.orders
	s.mu.Lock()
	i := slices.IndexFunc(s.all, func(a *askedOrder) bool { return a.field == q.OrderBy && a.by == q.by })
	var a *askedOrder
	if i < 0 {
		a = &askedOrder{field: q.OrderBy, by: q.by, facts: facts - many - 1}
		s.all = slices.Insert(s.all, 0, a)
		s.all = s.all[:min(len(s.all), maxOrders)]
	} else {
		a = s.all[i]
		copy(s.all[1:], s.all[:i])
		s.all[0] = a
	}
	rare := facts-a.facts > many
	a.facts = max(a.facts, facts)
	made := a.made
	if made != nil && (rare || made.upcasts != p.upcasts.Load()) {
		a.made, made = nil, nil
	}
	wait := made == nil && (rare || a.making)
	a.making = a.making || made == nil && !rare
	s.mu.Unlock()
	if wait {
		return nil
	}
	var next *order
	defer func() { // also if a reader of fields panics
		s.mu.Lock()
		defer s.mu.Unlock()
		if made == nil {
			a.making = false
		}
		if next != nil && a.made == made {
			a.made = next
		}
	}()
	switch { // without the lock, since a reader of fields is the app's
	case made == nil:
		next = newOrder(q, p.view)
	case made.now.head == p.head:
		return made
	case made.now.head > p.head && p.moment.Seq == 0 && !p.moment.none:
		return made
	case made.now.head > p.head:
		return nil
	default:
		next = made.through(p.view)
	}
	return next
}

// newOrder sorts all keys of a view.
func newOrder(q Query, v view) *order {
	o := &order{q: Query{OrderBy: q.OrderBy, by: q.by}, upcasts: v.upcasts.Load(), base: v, now: v}
	numbers := make([]uint32, v.keys.count.Load())
	for n := range numbers {
		numbers[n] = uint32(n)
	}
	o.sorted = o.merge(nil, numbers)
	return o
}

// through returns the order as of a later view.
func (o *order) through(v view) *order {
	next := &order{q: o.q, upcasts: o.upcasts, base: o.base, sorted: o.sorted, now: v}
	var written []uint32
	for r := range v.facts(o.now.head) {
		written = append(written, r.number())
	}
	slices.Sort(written)
	written = slices.Compact(written)
	rest := slices.DeleteFunc(slices.Clone(o.fresh), func(n uint32) bool { return within(written, n) })
	next.fresh = next.merge(rest, written)
	next.written = append(slices.Clone(o.written), written...)
	slices.Sort(next.written)
	next.written = slices.Compact(next.written)
	if len(next.written) > 1024+len(next.sorted)/256 {
		next.sorted = slices.AppendSeq(make([]uint32, 0, len(next.sorted)+len(next.fresh)), next.numbers(false, position{}))
		next.base, next.written, next.fresh = v, nil, nil
	}
	return next
}

func within(sorted []uint32, n uint32) bool {
	_, ok := slices.BinarySearch(sorted, n)
	return ok
}

// merge returns list, which is in order, with the given keys that have a value.
func (o *order) merge(list, numbers []uint32) []uint32 {
	var added []ranked
	var at []uint32 // their numbers
	for _, n := range numbers {
		if x := o.ranked(o.now, n); x.record.live() {
			added, at = append(added, x), append(at, n)
		}
	}
	places := make([]int, len(added))
	for i := range places {
		places[i] = i
	}
	slices.SortFunc(places, func(i, j int) int { return o.q.compare(added[i], added[j]) })
	merged := make([]uint32, 0, len(list)+len(added))
	for _, i := range places {
		cut := o.find(o.now, list, added[i], false)
		merged = append(append(merged, list[:cut]...), at[i])
		list = list[cut:]
	}
	return append(merged, list...)
}

// ranked returns the record that a key has in a view, with its rank.
func (o *order) ranked(v view, n uint32) ranked {
	r := v.at(n)
	if !r.live() {
		return ranked{}
	}
	return ranked{rankOf(o.q.inField(r)), r.Key(), r}
}

// find returns the first place in list, which is in the order of a view, that is at or after x; with past, after x.
func (o *order) find(v view, list []uint32, x ranked, past bool) int {
	i, _ := slices.BinarySearchFunc(list, x, func(n uint32, x ranked) int {
		if c := o.q.compare(o.ranked(v, n), x); c != 0 || !past {
			return c
		}
		return -1
	})
	return i
}

// numbers yields the numbers of the keys that have a value now, after a position.
func (o *order) numbers(descending bool, from position) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		sorted, fresh := o.sorted, o.fresh
		if from.begun {
			x := ranked{rank: rankOf(from.Value), key: from.Key}
			i, j := o.find(o.base, sorted, x, !descending), o.find(o.now, fresh, x, !descending)
			if descending {
				sorted, fresh = sorted[:i], fresh[:j]
			} else {
				sorted, fresh = sorted[i:], fresh[j:]
			}
		}
		each := func(part []uint32) bool {
			for i := range part {
				n := part[i]
				if descending {
					n = part[len(part)-1-i]
				}
				if !within(o.written, n) && !yield(n) {
					return false
				}
			}
			return true
		}
		for len(fresh) > 0 {
			var part []uint32
			next := fresh[0]
			if descending {
				next = fresh[len(fresh)-1]
			}
			if i := o.find(o.base, sorted, o.ranked(o.now, next), descending); descending {
				fresh, part, sorted = fresh[:len(fresh)-1], sorted[i:], sorted[:i]
			} else {
				fresh, part, sorted = fresh[1:], sorted[:i], sorted[i:]
			}
			if !each(part) || !yield(next) {
				return
			}
		}
		each(sorted)
	}
}
