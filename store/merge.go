package store

import (
	"iter"
	"sort"
)

// merged yields the facts of some stores with seqs above after through head, in the order of the log.
func (e *Engine) merged(stores []string, after, head uint64) iter.Seq[Record] {
	type place struct {
		space   *namespace
		n, last int
	}
	return func(yield func(Record) bool) {
		var places []*place
		for _, store := range stores {
			if s := e.namespace(store); s != nil {
				last := int(s.count.Load())
				places = append(places, &place{s, sort.Search(last, func(n int) bool { return s.nth(n).Seq() > after }), last})
			}
		}
		for {
			var next *place
			var first Record
			for _, p := range places {
				if p.n == p.last {
					continue
				}
				if r := p.space.nth(p.n); r.Seq() <= head && (next == nil || r.Seq() < first.Seq()) {
					next, first = p, r
				}
			}
			if next == nil || !yield(first) {
				return
			}
			next.n++
		}
	}
}
