// SPDX-License-Identifier: Apache-2.0

package store

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// A spaces has the namespaces of an engine, by store. Most logs have few stores, so the first ones are in a list too, where
// finding one takes a fraction of the time that a map takes. Readers take no lock. The caller of put holds the engine's mu.
type spaces struct {
	byName sync.Map                     // *namespace
	first  atomic.Pointer[[]*namespace] // at most maxFirst of them; nil: none. Replaced as a whole
}

const maxFirst = 8

// get returns a store's namespace, nil if it has none.
func (s *spaces) get(store string) *namespace {
	if first := s.first.Load(); first != nil {
		for _, n := range *first {
			if n.name == store {
				return n
			}
		}
	}
	found, _ := s.byName.Load(store)
	n, _ := found.(*namespace)
	return n
}

// put makes n the namespace of its store.
func (s *spaces) put(n *namespace) {
	s.byName.Store(n.name, n)
	var first []*namespace
	if old := s.first.Load(); old != nil {
		first = slices.Clone(*old)
	}
	i := slices.IndexFunc(first, func(old *namespace) bool { return old.name == n.name })
	switch {
	case i >= 0:
		first[i] = n
	case len(first) < maxFirst:
		first = append(first, n)
	default:
		return
	}
	s.first.Store(&first)
}

// each yields all namespaces, in no order.
func (s *spaces) each() iter.Seq[*namespace] {
	return func(yield func(*namespace) bool) {
		for _, n := range s.byName.Range {
			if !yield(n.(*namespace)) {
				return
			}
		}
	}
}
