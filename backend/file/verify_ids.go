// SPDX-License-Identifier: Apache-2.0

package file

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// An idHashes holds a hash of each fact's store and ID, to find the IDs that a store holds twice. If two hashes are the
// same, the log is read again to compare their IDs.
type idHashes struct {
	seed   maphash.Seed
	blocks [][]uint64
	size   int
}

// hashBlock is the number of hashes in a block. Blocks need no room to grow.
const hashBlock = 1 << 16

func (x *idHashes) add(store, id string) {
	if x.size == 0 {
		x.seed = maphash.MakeSeed()
	}
	if x.size%hashBlock == 0 {
		x.blocks = append(x.blocks, make([]uint64, 0, hashBlock))
	}
	last := &x.blocks[len(x.blocks)-1]
	*last = append(*last, x.hash(store, id))
	x.size++
}

func (x *idHashes) hash(store, id string) uint64 {
	return maphash.String(x.seed, store)*0x9e3779b97f4a7c15 ^ maphash.String(x.seed, id)
}

// doubled returns the IDs that occur more than once. read must call again with each fact of the log.
func (x *idHashes) doubled(read func(again func(f *backend.Fact)) error) ([]DoubledID, error) {
	seen := map[uint64]bool{}
	// It handles one part of the hashes at a time, so that it needs no copy of all.
	const parts = 64
	var part []uint64
	for n := range uint64(parts) {
		part = part[:0]
		for _, block := range x.blocks {
			for _, hash := range block {
				if hash%parts == n {
					part = append(part, hash)
				}
			}
		}
		slices.Sort(part)
		for i := 1; i < len(part); i++ {
			if part[i] == part[i-1] {
				seen[part[i]] = true
			}
		}
	}
	if len(seen) == 0 {
		return nil, nil
	}
	x.blocks = nil
	type name struct{ store, id string }
	seqs := map[name][]uint64{}
	err := read(func(f *backend.Fact) {
		if seen[x.hash(f.Store, f.ID)] {
			n := name{strings.Clone(f.Store), strings.Clone(f.ID)} // does not keep the block in memory
			seqs[n] = append(seqs[n], f.Seq)
		}
	})
	var all []DoubledID
	for n, at := range seqs {
		slices.Sort(at)
		if at = slices.Compact(at); len(at) > 1 { // a snapshot may be beside the segments from which it was made
			all = append(all, DoubledID{n.store, n.id, at})
		}
	}
	slices.SortFunc(all, func(a, b DoubledID) int { return cmp.Compare(a.Seqs[0], b.Seqs[0]) })
	return all, err
}
