package store

import "sync/atomic"

// A keyTable finds the keys of a namespace, and numbers them from 0 on in the order in which they are
// added. The text of a key is not here but in its records; the tip of a key is in its slot too, so that
// a lookup costs the cache lines of the slot and of the record.
type keyTable struct {
	table hashTable            // wide: the second word of a slot is the key's tip
	tips  array[atomic.Uint64] // by number
	count atomic.Uint32        // numbers given
}

// A tip is the ref of a key's latest record and, above it, flags of the key.
type tip uint64

const (
	keyOutOfOrder tip = 1 << 63 // a transaction time is before that of an earlier fact of the key
	keyValid      tip = 1 << 62 // a fact of the key has a valid time
	keyFlags          = keyOutOfOrder | keyValid
)

func (t tip) ref() ref   { return ref(t &^ keyFlags) }
func (t tip) flags() tip { return t & keyFlags }

// find returns a key's tip, its number, and where the tip is in its slot; nil if it was never added.
func (s *namespace) find(key string) (t tip, n uint32, word *atomic.Uint64) {
	p := s.keys.table.probe(key)
	for n, ok := p.next(); ok; n, ok = p.next() {
		word := p.word()
		if t := tip(word.Load()); s.record(t.ref()).Key() == key {
			return t, n, word
		}
	}
	return 0, 0, nil
}

// add adds a key that find does not find, under a number that no other key has.
func (k *keyTable) add(n uint32, key string, first tip) {
	k.tips.room(n)
	k.tips.at(n).Store(uint64(first))
	k.table.add(key, n, uint64(first))
	k.count.Store(max(k.count.Load(), n+1))
}
