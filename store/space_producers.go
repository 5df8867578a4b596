package store

import (
	"slices"
	"sync/atomic"
)

// Facts of a store mostly have a few producers among them, which are kept once. Where there are more, as
// with one for each request, the others are kept with their facts.
const (
	maxProducers   = 1024
	maxProducerLen = 256 // of those kept once
	interned       = 1 << 31
)

// producers are what facts have as their producer, by the numbers in which they came. Readers take no lock.
type producers struct {
	numbers map[string]uint32
	texts   array[atomic.Pointer[[]byte]]
}

// intern returns the number of a producer, a new one if need be; false if it is to be kept elsewhere.
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
