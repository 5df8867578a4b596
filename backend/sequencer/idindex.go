package sequencer

import (
	"hash/maphash"
	"iter"
)

// An idIndex finds the seqs of IDs. It holds a part of their hashes only, so the caller compares the ID with
// the ID of the fact at the seq.
type idIndex struct {
	hash   func(id ID) uint64
	tables []hashTable // mostly one: each has seqs of a range of 32 bits
	warmed uint64
}

func newIDIndex() idIndex {
	seed := maphash.MakeSeed()
	return idIndex{
		hash: func(id ID) uint64 {
			if id.Text != "" {
				return maphash.String(seed, id.Text)
			}
			return maphash.Bytes(seed, id.UUID[:])
		},
		tables: make([]hashTable, 1),
	}
}

// find yields the seqs at which the fact with the ID may be.
func (x *idIndex) find(id ID) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		h := x.hash(id)
		for i := range x.tables {
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

// reserve makes room for n more IDs.
func (x *idIndex) reserve(n int) { x.tables[len(x.tables)-1].reserve(n) }

// remove undoes an add.
func (x *idIndex) remove(id ID, seq uint64) {
	for i := len(x.tables) - 1; i >= 0 && !x.tables[i].remove(x.hash(id), seq); i-- {
	}
}
