package sequencer

// A hashTable finds numbers by hashes of 32 bits. Several numbers may have one hash, so the caller compares
// what they stand for. Numbers must be at least the first one that was added, and at most [maxOffset] above
// it. It uses open addressing: a slot has the hash in its upper half, and in its lower half how far the
// number is above base, plus 1; a free slot is 0.
type hashTable struct {
	slots []uint64 // a power of two of them, at most two thirds used
	used  int
	base  uint64
}

const (
	maxOffset = 1<<32 - 2
	minSlots  = 64
)

// reserve makes room for n more numbers, which takes less time than growing step by step.
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

// find yields the numbers with the hash, and reports whether yield wants more.
func (t *hashTable) find(hash uint32, yield func(uint64) bool) bool {
	if t.used == 0 {
		return true
	}
	for i := t.home(hash); t.slots[i] != 0; i = t.next(i) {
		if uint32(t.slots[i]>>32) == hash && !yield(t.base+uint64(uint32(t.slots[i]))-1) {
			return false
		}
	}
	return true
}

// add adds a number with a hash.
func (t *hashTable) add(hash uint32, n uint64) {
	if t.used == 0 {
		t.base = n
	}
	if 3*(t.used+1) > 2*len(t.slots) {
		t.reserve(1)
	}
	t.put(t.slot(hash, n))
	t.used++
}

// remove removes a number with its hash, and reports whether it was there.
func (t *hashTable) remove(hash uint32, n uint64) bool {
	if t.used == 0 || n < t.base || n-t.base > maxOffset {
		return false
	}
	slot := t.slot(hash, n)
	i := t.home(hash)
	for t.slots[i] != slot {
		if t.slots[i] == 0 {
			return false
		}
		i = t.next(i)
	}
	// Move up the slots behind it that are not where they are best, so that find still reaches them.
	for j := t.next(i); t.slots[j] != 0; j = t.next(j) {
		best := t.home(uint32(t.slots[j] >> 32))
		if (j-best)&(len(t.slots)-1) >= (j-i)&(len(t.slots)-1) {
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = 0
	t.used--
	return true
}

// warm loads the slot of a hash into the processor's cache. Loads of many slots in a row wait for memory
// together, and not one after the other. The result only keeps the compiler from leaving the load out.
func (t *hashTable) warm(hash uint32) uint64 {
	if len(t.slots) == 0 {
		return 0
	}
	return t.slots[t.home(hash)]
}

// slot returns the slot of a number.
func (t *hashTable) slot(hash uint32, n uint64) uint64 { return uint64(hash)<<32 | (n - t.base + 1) }

// home returns the place where a hash is best.
func (t *hashTable) home(hash uint32) int { return int(hash) & (len(t.slots) - 1) }

func (t *hashTable) next(i int) int { return (i + 1) & (len(t.slots) - 1) }

func (t *hashTable) put(slot uint64) {
	i := t.home(uint32(slot >> 32))
	for t.slots[i] != 0 {
		i = t.next(i)
	}
	t.slots[i] = slot
}
