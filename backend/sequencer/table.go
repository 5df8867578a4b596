package sequencer

// A hashTable is a hash table with open addressing. A slot has the hash in its upper half, and in
// its lower one how far the seq is above base, counted from 1; it is 0 if free.
type hashTable struct {
	slots []uint64 // a power of two of them, at most two thirds used
	used  int
	base  uint64
}

const (
	maxOffset = 1<<32 - 2
	minSlots  = 64
)

// reserve makes room for n more seqs, which takes less time than growing for each does.
func (t *hashTable) reserve(n int) {
	size := max(minSlots, len(t.slots))
	for 3*(t.used+n) > 2*size {
		size *= 2
	}
	if size == len(t.slots) {
		return
	}
	old := t.slots
	t.slots = make([]uint64, size)
	for _, slot := range old {
		if slot != 0 {
			t.put(slot)
		}
	}
}

// find yields the seqs of the slots with the hash, and reports whether to go on.
func (t *hashTable) find(hash uint32, yield func(uint64) bool) bool {
	if t.used == 0 {
		return true
	}
	for i := t.start(hash); t.slots[i] != 0; i = t.next(i) {
		if uint32(t.slots[i]>>32) == hash && !yield(t.base+uint64(uint32(t.slots[i]))-1) {
			return false
		}
	}
	return true
}

// warm looks at the place of a hash, so that it is in the processor's cache. Looks at many places
// in a row wait for memory together, and not one after the other. The result is of no use but that
// looking is not left out.
func (t *hashTable) warm(hash uint32) uint64 {
	if len(t.slots) == 0 {
		return 0
	}
	return t.slots[t.start(hash)]
}

// start returns the place where a hash would best be.
func (t *hashTable) start(hash uint32) int { return int(hash) & (len(t.slots) - 1) }

func (t *hashTable) next(i int) int { return (i + 1) & (len(t.slots) - 1) }

func (t *hashTable) add(hash uint32, seq uint64) {
	if t.used == 0 {
		t.base = seq
	}
	if 3*(t.used+1) > 2*len(t.slots) {
		t.reserve(1)
	}
	t.put(uint64(hash)<<32 | (seq - t.base + 1))
	t.used++
}

func (t *hashTable) put(slot uint64) {
	i := t.start(uint32(slot >> 32))
	for t.slots[i] != 0 {
		i = t.next(i)
	}
	t.slots[i] = slot
}

// remove frees the slot of an ID, and reports whether there was one.
func (t *hashTable) remove(hash uint32, seq uint64) bool {
	if t.used == 0 || seq < t.base {
		return false
	}
	slot := uint64(hash)<<32 | (seq - t.base + 1)
	i := t.start(hash)
	for t.slots[i] != slot {
		if t.slots[i] == 0 {
			return false
		}
		i = t.next(i)
	}
	// Move up those behind it that are not where they would best be, so that they are found.
	for j := t.next(i); t.slots[j] != 0; j = t.next(j) {
		best := t.start(uint32(t.slots[j] >> 32))
		if (j-best)&(len(t.slots)-1) >= (j-i)&(len(t.slots)-1) {
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = 0
	t.used--
	return true
}
