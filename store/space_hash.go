// SPDX-License-Identifier: Apache-2.0

package store

import (
	"hash/maphash"
	"iter"
	"sync/atomic"
)

// A hashTable finds numbers by texts, with open addressing. It does not have the texts: its owner compares them. A
// slot has a tag, which is the hash of the text and, in the lower half, the number plus 1; in a wide table it
// also has a word for the owner. A slot is free while its tag is 0.
type hashTable struct {
	seed  maphash.Seed
	wide  uint8 // 1: a slot has two words; 0: one
	used  int   // how many slots are not free
	slots atomic.Pointer[[]atomic.Uint64]
}

const minSlots = 8

// hash returns the tag of a text without a number.
func (t *hashTable) hash(text string) uint64 { return maphash.String(t.seed, text) >> 32 << 32 }

// each yields the numbers whose texts have the same hash as text.
func (t *hashTable) each(text string) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		slots := t.slots.Load()
		if slots == nil {
			return
		}
		hash, mask := t.hash(text), uint64(len(*slots))>>t.wide-1
		for i := hash >> 32 & mask; ; i = (i + 1) & mask {
			tag := (*slots)[i<<t.wide].Load()
			if tag == 0 || tag>>32<<32 == hash && !yield(uint32(tag)-1) {
				return
			}
		}
	}
}

// add adds a number whose text is not in the table.
func (t *hashTable) add(text string, n uint32, word uint64) {
	slots := t.slots.Load()
	if slots == nil || 3*(t.used+1) > 2*(len(*slots)>>t.wide) {
		slots = t.grow(slots)
	}
	t.used++
	t.put(*slots, t.hash(text)|uint64(n+1), word)
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
