package store

import (
	"hash/maphash"
	"sync/atomic"
)

// A keyTable finds the keys of a namespace, and numbers them from 0 on, in the order in which they
// are added. A key's text is not here but in its records: one that is found costs the cache line of
// its slot and those of its record.
type keyTable struct {
	seed   maphash.Seed
	slots  atomic.Pointer[[]keySlot] // open addressing
	latest pages[atomic.Uint64]      // by number: the key's head
	count  atomic.Uint32
}

// A keySlot is free while its tag is 0.
type keySlot struct {
	tag  atomic.Uint64 // hash above number plus 1
	head atomic.Uint64
}

// A head is the ref of a key's latest record and, above it, what is known of the key.
type head uint64

const (
	keyUnruly head = 1 << 63 // a transaction time is before that of an earlier fact of the key
	keyValid  head = 1 << 62 // a fact of the key has a valid time
	keyFlags       = keyUnruly | keyValid
)

func (h head) ref() ref    { return ref(h &^ keyFlags) }
func (h head) flags() head { return h & keyFlags }

const minSlots = 8

func (t *keyTable) hash(key string) uint64 { return maphash.String(t.seed, key) >> 32 << 32 }

// find returns a key's slot; nil if it was never added.
func (s *namespace) find(key string) *keySlot {
	slots := s.keys.slots.Load()
	if slots == nil {
		return nil
	}
	hash := s.keys.hash(key)
	mask := uint64(len(*slots) - 1)
	for i := hash >> 32 & mask; ; i = (i + 1) & mask {
		slot := &(*slots)[i]
		tag := slot.tag.Load()
		if tag == 0 {
			return nil
		}
		if tag>>32<<32 == hash && s.record(head(slot.head.Load()).ref()).Key() == key {
			return slot
		}
	}
}

func (k *keySlot) number() uint32 { return uint32(k.tag.Load()) - 1 }

// add adds a key that find does not find, under a number that none has, with its first record.
func (t *keyTable) add(n uint32, key string, first head) {
	t.latest.room(n)
	t.latest.at(n).Store(uint64(first))
	slots := t.slots.Load()
	if slots == nil || 3*(uint64(n)+1) > 2*uint64(len(*slots)) {
		slots = t.grow(slots)
	}
	put(*slots, t.hash(key)|uint64(n+1), uint64(first))
	t.count.Store(max(t.count.Load(), n+1))
}

// set makes h the head of the key that has the slot.
func (t *keyTable) set(slot *keySlot, h head) {
	slot.head.Store(uint64(h))
	t.latest.at(slot.number()).Store(uint64(h))
}

// grow publishes a table twice as large as old.
func (t *keyTable) grow(old *[]keySlot) *[]keySlot {
	if old == nil {
		old = new([]keySlot)
	}
	slots := make([]keySlot, max(minSlots, 2*len(*old)))
	for i := range *old {
		if tag := (*old)[i].tag.Load(); tag != 0 {
			put(slots, tag, (*old)[i].head.Load())
		}
	}
	t.slots.Store(&slots)
	return &slots
}

func put(slots []keySlot, tag, head uint64) {
	mask := uint64(len(slots) - 1)
	i := tag >> 32 & mask
	for slots[i].tag.Load() != 0 {
		i = (i + 1) & mask
	}
	slots[i].head.Store(head)
	slots[i].tag.Store(tag)
}
