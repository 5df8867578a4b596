package store

import (
	"iter"
	"sort"
)

// merged returns the facts of some stores with seqs above after through head, in the order of the log;
// false if some of them were dropped from memory. It is to be used once.
func (e *Engine) merged(stores []string, after, head uint64) (iter.Seq[Record], bool) {
	type place struct {
		space   *namespace
		n, last int
	}
	var places []*place
	for _, store := range stores {
		if s := e.namespace(store); s != nil {
			if after < s.floor {
				return nil, false
			}
			last := int(s.count.Load())
			places = append(places, &place{s, sort.Search(last, func(n int) bool { return s.nth(n).Seq() > after }), last})
		}
	}
	return func(yield func(Record) bool) {
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
	}, true
}
