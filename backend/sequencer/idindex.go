// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"hash/maphash"
	"iter"
)

// An idIndex finds the seqs of IDs in stores. It holds only a part of their hashes, so the caller must compare store and ID
// with the fact at the seq. The hash covers both, so that an ID which many stores have is found as fast as any other.
type idIndex struct {
	hash   func(store string, id ID) uint64
	tables []hashTable // usually one: each has seqs of a range of 32 bits
	all    bool        // some IDs have an unknown store, and are kept under the store ""
}

func newIDIndex() idIndex {
	seed := maphash.MakeSeed()
	return idIndex{
		hash: func(store string, id ID) uint64 {
			h := maphash.String(seed, store) * 0x9e3779b97f4a7c15
			if id.Text != "" {
				return h ^ maphash.String(seed, id.Text)
			}
			return h ^ maphash.Bytes(seed, id.UUID[:])
		},
		tables: make([]hashTable, 1),
	}
}

// find yields the seqs at which the store may have the fact with the ID, whose hash is h.
func (x *idIndex) find(store string, id ID, h uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for {
			for i := range x.tables {
				if !x.tables[i].find(h, yield) {
					return
				}
			}
			if !x.all || store == "" {
				return
			}
			store = ""
			h = x.hash(store, id)
		}
	}
}

// add adds a store's ID by its hash. Seqs are added in order.
func (x *idIndex) add(store string, hash, seq uint64) {
	x.all = x.all || store == ""
	last := &x.tables[len(x.tables)-1]
	if last.used > 0 && seq-last.base > maxOffset {
		x.tables = append(x.tables, hashTable{})
		last = &x.tables[len(x.tables)-1]
	}
	last.add(hash, seq)
}

// reserve makes room for n more IDs.
func (x *idIndex) reserve(n int) { x.tables[len(x.tables)-1].reserve(n) }

// remove undoes an add.
func (x *idIndex) remove(store string, id ID, seq uint64) {
	for i := len(x.tables) - 1; i >= 0 && !x.tables[i].remove(x.hash(store, id), seq); i-- {
	}
}
