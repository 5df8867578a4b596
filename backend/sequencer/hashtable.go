// SPDX-License-Identifier: Apache-2.0

package sequencer

// A hashTable finds numbers by hashes. It compares only 40 bits of a hash, and several numbers may have the same hash, so
// the caller must check each number that it finds. Numbers must be at least the first one that was added, and at most
// [maxOffset] above it. The table takes 9 to 12 bytes per number. It has many parts that grow separately, each by a
// fraction of its size, so that no add takes long.
type hashTable struct {
	parts []tablePart // tableParts of them; none while the table is empty. The highest bits of a hash choose one
	used  int
	base  uint64
}

// A tablePart uses open addressing. The upper half of a slot has 32 bits of the hash. The lower half has the number minus
// base, plus 1. A free slot is 0. The home of a slot is proportional to its hash, so that resize visits old and new slots
// in the same order.
type tablePart struct {
	slots []uint64 // from 7/10 to 7/8 of them are used, unless there are few, or room was reserved
	used  int
}

const (
	tableParts = 256
	maxOffset  = 1<<32 - 2
	minSlots   = 8
)

// part returns the part for a hash, and the bits of the hash that its slots keep.
func (t *hashTable) part(hash uint64) (*tablePart, uint32) {
	return &t.parts[hash>>56], uint32(hash >> 24)
}

// reserve makes room for n more numbers, which takes less time than growing step by step.
func (t *hashTable) reserve(n int) {
	t.begin()
	for i := range t.parts {
		if p := &t.parts[i]; p.full(n / tableParts) {
			p.resize(p.used + n/tableParts)
		}
	}
}

func (t *hashTable) begin() {
	if t.parts == nil {
		t.parts = make([]tablePart, tableParts)
	}
}

// find yields the numbers with the hash. It returns false if yield did.
func (t *hashTable) find(hash uint64, yield func(uint64) bool) bool {
	if t.used == 0 {
		return true
	}
	p, h := t.part(hash)
	if p.used == 0 {
		return true
	}
	for i := p.home(h); p.slots[i] != 0; i = p.next(i) {
		if uint32(p.slots[i]>>32) == h && !yield(t.number(p.slots[i])) {
			return false
		}
	}
	return true
}

// first returns the slot at which find begins; 0 if the table is empty.
func (t *hashTable) first(hash uint64) uint64 {
	if t.used == 0 {
		return 0
	}
	p, h := t.part(hash)
	if len(p.slots) == 0 {
		return 0
	}
	return p.slots[p.home(h)]
}

// add adds a number with a hash.
func (t *hashTable) add(hash, n uint64) {
	if t.used == 0 {
		t.begin()
		t.base = n
	}
	p, h := t.part(hash)
	if p.full(1) {
		p.resize(p.used + 1)
	}
	p.put(t.slot(h, n))
	p.used++
	t.used++
}

// remove removes a number with its hash, and reports whether it was there.
func (t *hashTable) remove(hash, n uint64) bool {
	if t.used == 0 || n < t.base || n-t.base > maxOffset {
		return false
	}
	p, h := t.part(hash)
	if p.used == 0 || !p.remove(t.slot(h, n)) {
		return false
	}
	t.used--
	return true
}

// removeAll removes the numbers of one part for which gone returns true.
func (t *hashTable) removeAll(part int, gone func(n uint64) bool) {
	if t.used == 0 {
		return
	}
	p, left := &t.parts[part], 0
	for _, slot := range p.slots {
		if slot != 0 && !gone(t.number(slot)) {
			left++
		}
	}
	if left == p.used {
		return
	}
	old := p.slots
	p.slots = make([]uint64, sizeFor(left))
	for _, slot := range old {
		if slot != 0 && !gone(t.number(slot)) {
			p.put(slot)
		}
	}
	t.used -= p.used - left
	p.used = left
}

// slot returns the slot of a number. The method number is its inverse.
func (t *hashTable) slot(h uint32, n uint64) uint64 { return uint64(h)<<32 | (n - t.base + 1) }

func (t *hashTable) number(slot uint64) uint64 { return t.base + uint64(uint32(slot)) - 1 }

// full reports whether n more slots do not fit.
func (p *tablePart) full(n int) bool { return 8*(p.used+n) > 7*len(p.slots) }

// sizeFor returns the number of slots for n numbers, with room for a quarter more.
func sizeFor(n int) int { return max(minSlots, n+n*3/7) }

// resize sizes the part for n numbers.
func (p *tablePart) resize(n int) {
	old := p.slots
	p.slots = make([]uint64, sizeFor(n))
	for _, slot := range old {
		if slot != 0 {
			p.put(slot)
		}
	}
}

func (p *tablePart) put(slot uint64) {
	i := p.home(uint32(slot >> 32))
	for p.slots[i] != 0 {
		i = p.next(i)
	}
	p.slots[i] = slot
}

// remove removes a slot, and reports whether it was there.
func (p *tablePart) remove(slot uint64) bool {
	i := p.home(uint32(slot >> 32))
	for p.slots[i] != slot {
		if p.slots[i] == 0 {
			return false
		}
		i = p.next(i)
	}
	// Move up the following slots that are not at home, so that find still reaches them.
	for j := p.next(i); p.slots[j] != 0; j = p.next(j) {
		best := p.home(uint32(p.slots[j] >> 32))
		if p.steps(best, j) >= p.steps(i, j) {
			p.slots[i] = p.slots[j]
			i = j
		}
	}
	p.slots[i] = 0
	p.used--
	return true
}

// home returns the index at which the search for a hash begins.
func (p *tablePart) home(h uint32) int { return int(uint64(h) * uint64(len(p.slots)) >> 32) }

func (p *tablePart) next(i int) int {
	if i++; i == len(p.slots) {
		return 0
	}
	return i
}

// steps returns the distance from one index forward to another.
func (p *tablePart) steps(from, to int) int {
	if to < from {
		to += len(p.slots)
	}
	return to - from
}
