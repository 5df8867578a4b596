// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"hash/maphash"
	"strings"

	"github.com/igniter-store/igniter/internal/uuidtext"
)

// A keyIndex knows each key's latest fact. It holds only a few pointers per thousand keys, which makes it cheap for the
// garbage collector. A key whose facts were all pruned keeps its entry, some 70 bytes, until the log is opened again.
type keyIndex struct {
	hash   func(store, key string) uint64
	table  hashTable    // finds the numbers of entries
	blocks [][]keyEntry // of entryBlock entries, numbered from 1
	count  int          // of entries in blocks
	live   int          // of entries with a fact
	names  nameArena
	stores map[string]uint32
	odd    map[uint32]string // the latest IDs that are not UUIDs, by entry
}

const entryBlock = 1024

type keyEntry struct {
	seq   uint64   // of the latest fact; 0: the key has none left
	id    [16]byte // its ID, if that is a UUID in lower case
	name  nameRef  // the key
	store uint32
}

// An undoKey has the state of an entry before set.
type undoKey struct {
	entry           uint32
	newKey, newName bool // the entry, and its store's number, were added
	seq             uint64
	id              [16]byte
	odd             string
}

// latest returns the ID of the key's latest fact before set, "" if the key had none.
func (u *undoKey) latest() string {
	switch {
	case u.seq == 0:
		return ""
	case u.odd != "":
		return u.odd
	}
	return uuidtext.String(u.id)
}

func newKeyIndex() keyIndex {
	seed := maphash.MakeSeed()
	return keyIndex{
		hash: func(store, key string) uint64 {
			return maphash.String(seed, store)*0x9e3779b97f4a7c15 ^ maphash.String(seed, key)
		},
		stores: map[string]uint32{},
		odd:    map[uint32]string{},
	}
}

func (x *keyIndex) entry(n uint32) *keyEntry {
	return &x.blocks[(n-1)/entryBlock][(n-1)%entryBlock]
}

// find returns the number of the key's entry, 0 if the key has none.
func (x *keyIndex) find(store, key string) uint32 {
	return x.findHash(store, key, x.hash(store, key))
}

func (x *keyIndex) findHash(store, key string, hash uint64) (found uint32) {
	number, ok := x.stores[store]
	if !ok {
		return 0
	}
	x.table.find(hash, func(n uint64) bool {
		e := x.entry(uint32(n))
		if e.store == number && string(x.names.get(e.name)) == key {
			found = uint32(n)
		}
		return found == 0
	})
	return found
}

// latest returns the ID of the key's latest fact, "" if the key has none.
func (x *keyIndex) latest(store, key string) string {
	if n := x.find(store, key); n != 0 {
		return x.id(n)
	}
	return ""
}

func (x *keyIndex) id(n uint32) string {
	e := x.entry(n)
	if e.seq == 0 {
		return ""
	}
	if id, ok := x.odd[n]; ok {
		return id
	}
	return uuidtext.String(e.id)
}

// set makes the fact at seq the latest of the key, whose hash is h. It returns the argument for undo.
func (x *keyIndex) set(store, key string, h, seq uint64, id ID) undoKey {
	stores := len(x.stores)
	n := x.findHash(store, key, h)
	before := undoKey{newKey: n == 0}
	if n == 0 {
		n = x.add(store, key, h)
	}
	e := x.entry(n)
	before.entry, before.seq, before.id = n, e.seq, e.id
	before.newName = len(x.stores) > stores
	if len(x.odd) > 0 {
		before.odd = x.odd[n]
	}
	x.put(n, seq, id)
	return before
}

func (x *keyIndex) put(n uint32, seq uint64, id ID) {
	e := x.entry(n)
	if e.seq == 0 && seq != 0 {
		x.live++
	} else if e.seq != 0 && seq == 0 {
		x.live--
	}
	e.seq = seq
	e.id = id.UUID
	if id.Text != "" {
		x.odd[n] = strings.Clone(id.Text)
		return
	}
	if len(x.odd) > 0 {
		delete(x.odd, n)
	}
}

// add makes an entry for a key that has none.
func (x *keyIndex) add(store, key string, hash uint64) uint32 {
	number := x.number(store)
	if x.count%entryBlock == 0 && x.count/entryBlock == len(x.blocks) {
		x.blocks = append(x.blocks, make([]keyEntry, entryBlock))
	}
	x.count++
	n := uint32(x.count)
	*x.entry(n) = keyEntry{name: x.names.add(key), store: number}
	x.table.add(hash, uint64(n))
	return n
}

// number returns the number of a store. A new store gets a new number.
func (x *keyIndex) number(store string) uint32 {
	number, ok := x.stores[store]
	if !ok {
		number = uint32(len(x.stores))
		x.stores[strings.Clone(store)] = number
	}
	return number
}

// undo undoes a set of the key. Sets must be undone in reverse order.
func (x *keyIndex) undo(store, key string, u undoKey) {
	x.put(u.entry, u.seq, ID{u.id, u.odd})
	if !u.newKey {
		return
	}
	e := x.entry(u.entry)
	x.table.remove(x.hash(store, key), uint64(u.entry))
	x.names.cut(e.name)
	x.count--
	if u.newName {
		delete(x.stores, store)
	}
}

// seq returns the seq of the key's latest fact, 0 if the key has none.
func (x *keyIndex) seq(store, key string) uint64 {
	if n := x.find(store, key); n != 0 {
		return x.entry(n).seq
	}
	return 0
}

// replace makes the fact at seq the key's latest, if the latest is now the fact at gone. Seq 0 means that the key has no
// fact left.
func (x *keyIndex) replace(store, key string, gone, seq uint64, id ID) {
	n := x.find(store, key)
	if n == 0 || x.entry(n).seq != gone {
		return
	}
	if seq == 0 {
		id = ID{} // takes no memory
	}
	x.put(n, seq, id)
}
