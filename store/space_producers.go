package store

import (
	"slices"
	"sync/atomic"
)

// Most stores have few producers, which are kept once. If there are more, such as one for each request, the
// others are kept in their facts.
const (
	maxProducers   = 1024
	maxProducerLen = 256 // longer ones are kept in their facts
	interned       = 1 << 31
)

// producers are the producers of facts that are kept once, by number.
type producers struct {
	numbers map[string]uint32
	texts   array[atomic.Pointer[[]byte]]
}

// intern returns the number of a producer, a new one if need be; false if it must be kept in its fact.
func (p *producers) intern(text []byte) (n uint32, ok bool) {
	if n, ok = p.numbers[string(text)]; ok {
		return n, true
	}
	n = uint32(len(p.numbers))
	if n == maxProducers || len(text) > maxProducerLen {
		return 0, false
	}
	own := slices.Clip(slices.Clone(text))
	p.texts.room(n)
	p.texts.at(n).Store(&own)
	if p.numbers == nil {
		p.numbers = make(map[string]uint32)
	}
	p.numbers[string(own)] = n
	return n, true
}

func (p *producers) text(n uint32) []byte { return *p.texts.at(n).Load() }
