package store

import (
	"hash/maphash"
	"sync/atomic"
	"unsafe"
)

// An index numbers distinct names from 0 on, in the order in which they are added, and has an entry
// for each.
type index struct {
	seed    maphash.Seed
	arena   *arena
	slots   atomic.Pointer[[]atomic.Uint64] // open addressing: hash above number plus 1; 0 if free
	entries pages[entry]
	count   atomic.Uint32
}

// An entry is a name and, if it is a key's, what is known of the key.
type entry struct {
	text   ref
	latest atomic.Uint64 // ref of the key's latest record
	length uint32        // of the text
	flags  atomic.Uint32
}

const (
	keyUnruly = 1 << iota // a transaction time is before that of an earlier fact of the key
	keyValid              // a fact of the key has a valid time
)

const minSlots = 8

// find returns the number of a name; false if it was never added.
func (x *index) find(s string) (uint32, bool) {
	slots := x.slots.Load()
	if slots == nil {
		return 0, false
	}
	hash := maphash.String(x.seed, s) >> 32
	mask := uint64(len(*slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := (*slots)[i].Load()
		if slot == 0 {
			return 0, false
		}
		if n := uint32(slot) - 1; slot>>32 == hash && x.text(n) == s {
			return n, true
		}
	}
}

// text returns a name by its number. It shares the arena's memory.
func (x *index) text(n uint32) string {
	e := x.entries.at(n)
	return unsafe.String(unsafe.SliceData(x.arena.from(e.text)), int(e.length))
}

// add adds a name that find does not find.
func (x *index) add(s string) uint32 {
	n := x.count.Load()
	x.entries.room(n)
	e := x.entries.at(n)
	e.text, e.length = x.arena.add([]byte(s)), uint32(len(s))
	slots := x.slots.Load()
	if slots == nil || 3*(uint64(n)+1) > 2*uint64(len(*slots)) {
		slots = x.grow(slots)
	}
	put(*slots, maphash.String(x.seed, s)>>32<<32|uint64(n+1))
	x.count.Store(n + 1)
	return n
}

// grow publishes a table twice as large as old.
func (x *index) grow(old *[]atomic.Uint64) *[]atomic.Uint64 {
	if old == nil {
		old = new([]atomic.Uint64)
	}
	slots := make([]atomic.Uint64, max(minSlots, 2*len(*old)))
	for i := range *old {
		if slot := (*old)[i].Load(); slot != 0 {
			put(slots, slot)
		}
	}
	x.slots.Store(&slots)
	return &slots
}

func put(slots []atomic.Uint64, slot uint64) {
	mask := uint64(len(slots) - 1)
	i := slot >> 32 & mask
	for slots[i].Load() != 0 {
		i = (i + 1) & mask
	}
	slots[i].Store(slot)
}
