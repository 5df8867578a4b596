// SPDX-License-Identifier: Apache-2.0

package store

import (
	"hash/maphash"
	"iter"
)

// fact returns a store's fact with an ID if the engine shows it; otherwise the zero Record.
func (e *Engine) fact(store, id string) Record {
	if s := e.namespace(store); s != nil {
		return e.factIn(s, id)
	}
	return Record{}
}

// factsWith yields the facts with an ID that the engine shows, at most one of each store, in no order.
func (e *Engine) factsWith(id string) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for s := range e.spaces.each() {
			if r := e.factIn(s, id); r.data != nil && !yield(r) {
				return
			}
		}
	}
}

func (e *Engine) factIn(s *namespace, id string) Record {
	table := e.ids(s)
	if table == nil {
		for n := range int(s.count.Load()) {
			if r := s.nth(n); r.hasID(id) && r.Seq() <= e.Head() {
				return r
			}
		}
		return Record{}
	}
	for n := range table.each(id) {
		if r := s.nth(int(n)); r.hasID(id) && r.Seq() <= e.Head() {
			return r
		}
	}
	return Record{}
}

// ids returns the table of a namespace's facts by ID; its numbers are positions in the log. The first call builds it.
// ids returns nil if the caller was called by a function of the app under the engine's lock and the table is not built.
func (e *Engine) ids(s *namespace) *hashTable {
	if t := s.ids.Load(); t != nil {
		return t
	}
	if !e.lockOutside() {
		return nil
	}
	defer e.mu.Unlock()
	if t := s.ids.Load(); t != nil {
		return t
	}
	t := &hashTable{seed: maphash.MakeSeed()}
	for n := range s.count.Load() {
		t.add(s.nth(int(n)).ID(), n, 0)
	}
	s.ids.Store(t)
	return t
}
