package sequencer

import (
	"hash/maphash"
	"iter"

	"github.com/google/uuid"
)

// Remembered is how many of its latest IDs a log knows at least.
const Remembered = 1_000_000

// An idIndex finds the seqs of IDs. It holds a part of their hashes alone: who looks an ID up
// compares it with that of the fact at the seq.
//
// Its memory is bounded by generations: IDs are added to the last table until that has a
// generation of them, and a table goes once those after it have one: mostly there are two.
type idIndex struct {
	hash       func(id ID) uint32
	generation int
	tables     []idTable
}

func newIDIndex() idIndex {
	seed := maphash.MakeSeed()
	return idIndex{
		hash: func(id ID) uint32 {
			if id.Text != "" {
				return uint32(maphash.String(seed, id.Text))
			}
			return uint32(maphash.Bytes(seed, id.UUID[:]))
		},
		generation: Remembered,
		tables:     make([]idTable, 1),
	}
}

// An ID is a fact's ID in little room.
type ID struct {
	UUID uuid.UUID // what Text would be the usual text of, in lower case, where Text is empty
	Text string
}

// IDOf returns the ID whose text is id. It shares the text's memory.
func IDOf(id string) ID {
	if u, ok := parseUUID(id); ok {
		return ID{UUID: u}
	}
	return ID{Text: id}
}

// String returns the text.
func (id ID) String() string {
	if id.Text != "" {
		return id.Text
	}
	return id.UUID.String()
}

// find yields the seqs at which the fact with the ID may be.
func (x *idIndex) find(id ID) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		h := x.hash(id)
		for i := len(x.tables) - 1; i >= 0; i-- {
			if !x.tables[i].find(h, yield) {
				return
			}
		}
	}
}

// add adds an ID. Seqs are added in order.
func (x *idIndex) add(id ID, seq uint64) {
	last := &x.tables[len(x.tables)-1]
	if last.used > 0 && seq-last.base > maxOffset {
		x.tables = append(x.tables, idTable{})
		last = &x.tables[len(x.tables)-1]
	}
	last.add(x.hash(id), seq)
}

// remove takes back an add.
func (x *idIndex) remove(id ID, seq uint64) {
	for i := len(x.tables) - 1; i >= 0 && !x.tables[i].remove(x.hash(id), seq); i-- {
	}
}

// age drops the IDs that need not be remembered any more.
func (x *idIndex) age() {
	if x.tables[len(x.tables)-1].used < x.generation {
		return
	}
	after := 0
	for i := len(x.tables) - 1; i >= 0; i-- {
		if after >= x.generation {
			x.tables = append([]idTable(nil), x.tables[i+1:]...)
			break
		}
		after += x.tables[i].used
	}
	x.tables = append(x.tables, idTable{})
}

// An idTable is a hash table with open addressing. A slot has the hash in its upper half, and in
// its lower one how far the seq is above base, counted from 1; it is 0 if free.
type idTable struct {
	slots []uint64 // a power of two of them, at most two thirds used
	used  int
	base  uint64
}

const (
	maxOffset = 1<<32 - 2
	minSlots  = 64
)

// find yields the seqs of the slots with the hash, and reports whether to go on.
func (t *idTable) find(hash uint32, yield func(uint64) bool) bool {
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

// start returns the place where a hash would best be.
func (t *idTable) start(hash uint32) int { return int(hash) & (len(t.slots) - 1) }

func (t *idTable) next(i int) int { return (i + 1) & (len(t.slots) - 1) }

func (t *idTable) add(hash uint32, seq uint64) {
	if t.used == 0 {
		t.base = seq
	}
	if 3*(t.used+1) > 2*len(t.slots) {
		old := t.slots
		t.slots = make([]uint64, max(minSlots, 2*len(old)))
		for _, slot := range old {
			if slot != 0 {
				t.put(slot)
			}
		}
	}
	t.put(uint64(hash)<<32 | (seq - t.base + 1))
	t.used++
}

func (t *idTable) put(slot uint64) {
	i := t.start(uint32(slot >> 32))
	for t.slots[i] != 0 {
		i = t.next(i)
	}
	t.slots[i] = slot
}

// remove frees the slot of an ID, and reports whether there was one.
func (t *idTable) remove(hash uint32, seq uint64) bool {
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
