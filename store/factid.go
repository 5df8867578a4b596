package store

import (
	"hash/maphash"
	"sync/atomic"
)

// FactByID returns the fact with an ID. The first call for each store builds an index of 8 to 24
// bytes a fact, which each write keeps up.
func (e *Engine) FactByID(id string) (r Record, ok bool) {
	for _, s := range e.spaces.Range {
		if r = e.ids(s.(*namespace)).find(id); r.data != nil {
			return r, true
		}
	}
	return Record{}, false
}

// ids returns the index of a namespace's facts by ID.
func (e *Engine) ids(s *namespace) *idTable {
	if t := s.ids.Load(); t != nil {
		return t
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := s.ids.Load(); t != nil {
		return t
	}
	t := &idTable{space: s, seed: maphash.MakeSeed()}
	for n := range s.count.Load() {
		t.add(n, s.nth(int(n)).ID())
	}
	s.ids.Store(t)
	return t
}

// An idTable finds the facts of a namespace by ID. Readers take no lock.
type idTable struct {
	space *namespace
	seed  maphash.Seed
	slots atomic.Pointer[[]atomic.Uint64] // open addressing: hash above place in the log plus 1; 0 if free
}

func (t *idTable) find(id string) Record {
	slots := t.slots.Load()
	if slots == nil {
		return Record{}
	}
	hash := maphash.String(t.seed, id) >> 32
	mask := uint64(len(*slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := (*slots)[i].Load()
		if slot == 0 {
			return Record{}
		}
		if slot>>32 == hash {
			if r := t.space.nth(int(uint32(slot) - 1)); r.hasID(id) {
				return r
			}
		}
	}
}

// add adds the n-th fact of the namespace.
func (t *idTable) add(n uint32, id string) {
	slots := t.slots.Load()
	if slots == nil || 3*(uint64(n)+1) > 2*uint64(len(*slots)) {
		var old []atomic.Uint64
		if slots != nil {
			old = *slots
		}
		grown := make([]atomic.Uint64, max(minSlots, 2*len(old)))
		for i := range old {
			if slot := old[i].Load(); slot != 0 {
				putID(grown, slot)
			}
		}
		slots = &grown
		t.slots.Store(slots)
	}
	putID(*slots, maphash.String(t.seed, id)>>32<<32|uint64(n+1))
}

func putID(slots []atomic.Uint64, slot uint64) {
	mask := uint64(len(slots) - 1)
	i := slot >> 32 & mask
	for slots[i].Load() != 0 {
		i = (i + 1) & mask
	}
	slots[i].Store(slot)
}
