package store

import (
	"hash/maphash"
	"sync/atomic"
)

// A hashTable finds numbers by a text that the owner of the table can compare, with open addressing. A
// slot has a tag, which is the text's hash above the number plus 1, and in a wide table one more word
// for its owner. A slot is free while its tag is 0.
type hashTable struct {
	seed  maphash.Seed
	wide  uint8 // 1: a slot has two words; 0: one
	used  int   // slots
	slots atomic.Pointer[[]atomic.Uint64]
}

const minSlots = 8

// A probe goes through the slots that a text may be in.
type probe struct {
	slots []atomic.Uint64
	wide  uint8
	hash  uint64
	at    uint64 // the next slot to look at, not masked
}

func (t *hashTable) probe(text string) probe {
	hash := maphash.String(t.seed, text) >> 32
	p := probe{wide: t.wide, hash: hash, at: hash}
	if slots := t.slots.Load(); slots != nil {
		p.slots = *slots
	}
	return p
}

// next returns the number in the next slot whose text has the hash; false if there is none.
func (p *probe) next() (n uint32, ok bool) {
	if len(p.slots) == 0 {
		return 0, false
	}
	for mask := uint64(len(p.slots))>>p.wide - 1; ; {
		tag := p.slots[p.at&mask<<p.wide].Load()
		if tag == 0 {
			return 0, false
		}
		p.at++
		if tag>>32 == p.hash {
			return uint32(tag) - 1, true
		}
	}
}

// word returns the second word of the slot that next found last, in a wide table.
func (p *probe) word() *atomic.Uint64 {
	return &p.slots[(p.at-1)&(uint64(len(p.slots))>>1-1)<<1+1]
}

// add adds a number whose text is not in the table.
func (t *hashTable) add(text string, n uint32, word uint64) {
	slots := t.slots.Load()
	if slots == nil || 3*(t.used+1) > 2*(len(*slots)>>t.wide) {
		slots = t.grow(slots)
	}
	t.used++
	t.put(*slots, maphash.String(t.seed, text)>>32<<32|uint64(n+1), word)
}

func (t *hashTable) put(slots []atomic.Uint64, tag, word uint64) {
	mask := uint64(len(slots))>>t.wide - 1
	i := tag >> 32 & mask
	for slots[i<<t.wide].Load() != 0 {
		i = (i + 1) & mask
	}
	if t.wide != 0 {
		slots[i<<1+1].Store(word)
	}
	slots[i<<t.wide].Store(tag)
}

// grow publishes a table with twice the slots.
func (t *hashTable) grow(old *[]atomic.Uint64) *[]atomic.Uint64 {
	if old == nil {
		old = new([]atomic.Uint64)
	}
	slots := make([]atomic.Uint64, max(minSlots<<t.wide, 2*len(*old)))
	for i := 0; i < len(*old); i += 1 << t.wide {
		if tag := (*old)[i].Load(); tag != 0 {
			t.put(slots, tag, (*old)[i+int(t.wide)].Load())
		}
	}
	t.slots.Store(&slots)
	return &slots
}
