package sequencer

import (
	"hash/maphash"
	"iter"
)

// Remembered is the least number of latest IDs that a log knows.
const Remembered = 1_000_000

// An idIndex finds the seqs of IDs. It holds a part of their hashes only, so the caller compares the ID with
// the ID of the fact at the seq.
//
// Generations bound its memory: IDs are added to the last table until that has a generation of them, and a
// table is dropped once the tables after it have a generation. Mostly there are two tables.
type idIndex struct {
	hash       func(id ID) uint32
	generation int
	tables     []hashTable
	warmed     uint64
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
		tables:     make([]hashTable, 1),
	}
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
		x.tables = append(x.tables, hashTable{})
		last = &x.tables[len(x.tables)-1]
	}
	last.add(x.hash(id), seq)
}

// warm prepares adding the IDs, see hashTable.warm.
func (x *idIndex) warm(facts []Loaded) {
	last := &x.tables[len(x.tables)-1]
	for i := range facts {
		x.warmed ^= last.warm(x.hash(facts[i].ID))
	}
}

// reserve makes room for n more IDs, but not for IDs that age would drop.
func (x *idIndex) reserve(n int) {
	last := &x.tables[len(x.tables)-1]
	last.reserve(max(0, min(n, x.generation-last.used)))
}

// remove undoes an add.
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
			x.tables = append([]hashTable(nil), x.tables[i+1:]...)
			break
		}
		after += x.tables[i].used
	}
	x.tables = append(x.tables, hashTable{})
}
