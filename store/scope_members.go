// SPDX-License-Identifier: Apache-2.0

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

// members returns the scope's projection over v; nil if none exists.
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
	switch in, was := m.scope.decides(r), w.Load()&bit != 0; {
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

// each yields the numbers of the keys whose bits are set or that are in the overlay, ascending or descending; in is
// false if the key is in the overlay.
func (m *members) each(o *overlay, descending bool) iter.Seq2[uint32, bool] {
	return func(yield func(n uint32, in bool) bool) {
		limit := m.limit.Load()
		var run []atomic.Uint64 // from i on, ascending
		for i := range limit {
			var w, ahead uint64
			if descending {
				i = limit - 1 - i
				w = m.words.at(i).Load()
			} else {
				if len(run) == 0 {
					run = m.words.from(i)
				}
				w, run = run[0].Load(), run[1:]
			}
			if o.update() {
				ahead = o.keys[i]
			}
			for w |= ahead; w != 0; {
				bit := bits.TrailingZeros64(w)
				if descending {
					bit = 63 - bits.LeadingZeros64(w)
				}
				w &^= 1 << bit
				if !yield(i*64+uint32(bit), ahead>>bit&1 == 0) {
					return
				}
			}
		}
	}
}
