package store

import (
	"iter"
	"math/bits"
	"sync/atomic"
)

// members has a bit for each key, set if its latest record is in the scope. Readers take no lock.
type members struct {
	scope *Scope
	words array[atomic.Uint64]
	limit atomic.Uint32 // how many words there are
	count atomic.Int64
}

// members returns the scope's projection over v; nil if there is none.
func (s *Scope) members(v view) *members {
	m, _ := s.engine.projected(v, s, func() projection { return &members{scope: s} }).(*members)
	return m
}

func (m *members) put(n uint32, _, r Record) {
	word, bit := n/64, uint64(1)<<(n%64)
	for ; m.limit.Load() <= word; m.limit.Add(1) {
		m.words.room(m.limit.Load())
	}
	w := m.words.at(word)
	switch in, was := m.scope.Has(r), w.Load()&bit != 0; {
	case in && !was:
		w.Or(bit)
		m.count.Add(1)
	case was && !in:
		w.And(^bit)
		m.count.Add(-1)
	}
}

func (m *members) has(n uint32) bool {
	return n/64 < m.limit.Load() && m.words.at(n/64).Load()>>(n%64)&1 == 1
}

// each yields the numbers of the keys whose bits are set or that are in the overlay, ascending or descending.
func (m *members) each(o *overlay, descending bool) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		limit := m.limit.Load()
		for i := range limit {
			if descending {
				i = limit - 1 - i
			}
			w := m.words.at(i).Load()
			if o.update() {
				w |= o.keys[i]
			}
			for w != 0 {
				bit := bits.TrailingZeros64(w)
				if descending {
					bit = 63 - bits.LeadingZeros64(w)
				}
				w &^= 1 << bit
				if !yield(i*64 + uint32(bit)) {
					return
				}
			}
		}
	}
}
