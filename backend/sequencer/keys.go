// SPDX-License-Identifier: Apache-2.0

package sequencer

import "iter"

// Keys is a compact table of each key's latest fact, for a log that keeps such a table in a file. It is not safe for
// concurrent use.
type Keys struct{ index keyIndex }

// A Latest is a key's latest fact.
type Latest struct {
	Store int    // the index of the store in the table's Stores
	Key   []byte // read-only
	Seq   uint64
	ID    ID
}

// NewKeys returns an empty table.
func NewKeys() *Keys { return &Keys{newKeyIndex()} }

// Set makes a fact the latest of its key.
func (k *Keys) Set(store, key string, seq uint64, id ID) {
	k.index.set(store, key, k.index.hash(store, key), seq, id)
}

// Store returns the index of a store in [Keys.Stores]. It adds a new store to them.
func (k *Keys) Store(name string) int { return int(k.index.number(name)) }

// Len returns the number of keys that have a fact.
func (k *Keys) Len() int { return k.index.live }

// Stores returns the stores of the keys, and the stores that were passed to Store.
func (k *Keys) Stores() []string { return k.index.storeNames() }

// All yields each key's latest fact, in any order.
func (k *Keys) All() iter.Seq[Latest] { return k.index.all() }

// Stores returns the stores of all keys, also of keys without facts.
func (s *Sequencer) Stores() []string { return s.keys.storeNames() }

// Keys yields each key's latest fact, in any order, for a log that keeps such a table in a file. Store is the index of the
// store in [Sequencer.Stores].
func (s *Sequencer) Keys() iter.Seq[Latest] { return s.keys.all() }

func (x *keyIndex) storeNames() []string {
	stores := make([]string, len(x.stores))
	for name, number := range x.stores {
		stores[number] = name
	}
	return stores
}

func (x *keyIndex) all() iter.Seq[Latest] {
	return func(yield func(Latest) bool) {
		for n := uint32(1); n <= uint32(x.count); n++ {
			e := x.entry(n)
			latest := Latest{int(e.store), x.names.get(e.name), e.seq, ID{UUID: e.id}}
			if len(x.odd) > 0 {
				latest.ID.Text = x.odd[n]
			}
			if e.seq != 0 && !yield(latest) {
				return
			}
		}
	}
}
