// SPDX-License-Identifier: Apache-2.0

package store

import "sync/atomic"

// A keyTable finds the keys of a namespace, and numbers them from 0 on in the order in which they are
// added. The text of a key is in its records. The tip of a key is in its slot too, so that a lookup touches
// two cache lines: the slot's and the record's.
type keyTable struct {
	table hashTable            // wide: the second word of a slot is the key's tip
	tips  array[atomic.Uint64] // by number
	count atomic.Uint32        // how many numbers are given
}

// A tip is the ref of a key's latest record and, above it, flags of the key.
type tip uint64

const (
	keyOutOfOrder tip = 1 << 63 // an earlier fact of the key has a later transaction time
	keyValid      tip = 1 << 62 // a fact of the key has a valid time
	keyFlags          = keyOutOfOrder | keyValid
)

func (t tip) ref() ref   { return ref(t &^ keyFlags) }
func (t tip) flags() tip { return t & keyFlags }

// find returns a key's latest record, its tip and its number, and the place of the tip in its slot, which is nil if the key was
// never added. It is hashTable.each written out, for speed.
func (s *namespace) find(key string) (r Record, t tip, n uint32, place *atomic.Uint64) {
	slots := s.keys.table.slots.Load()
	if slots == nil {
		return Record{}, 0, 0, nil
	}
	hash, mask := s.keys.table.hash(key), uint64(len(*slots))/2-1
	for i := hash >> 32 & mask; ; i = (i + 1) & mask {
		slot := (*slots)[2*i : 2*i+2 : 2*i+2]
		tag := slot[0].Load()
		if tag == 0 {
			return Record{}, 0, 0, nil
		}
		if tag>>32<<32 == hash {
			t = tip(slot[1].Load())
			if r = s.record(t.ref()); r.Key() == key {
				return r, t, uint32(tag) - 1, &slot[1]
			}
		}
	}
}

// add adds a key that is not in the table, under a number that no other key has.
func (k *keyTable) add(n uint32, key string, first tip) {
	k.tips.room(n)
	k.tips.at(n).Store(uint64(first))
	k.table.add(key, n, uint64(first))
	k.count.Store(max(k.count.Load(), n+1))
}
