// SPDX-License-Identifier: Apache-2.0

package store

import "slices"

// A projection is an index over the latest records of a namespace, built on first use and kept up as facts are added.
// It belongs to its namespace: if another namespace replaces that one, the projection is built again over the new one.
type projection interface {
	// put says that r is the record of the key with number n, after prev. It is called by one goroutine at
	// a time, once r is in the namespace and before the engine's head moves to r.
	put(n uint32, prev, r Record)
}

// An owned projection belongs to a Scope or an Index.
type owned struct {
	owner declaration
	projection
}

// projected returns the projection of a Scope or Index over the namespace of v. It returns nil if v has no namespace,
// if its namespace was replaced, or if the caller was called by a function of the app under the engine's lock. The
// projection is as of v's head or later, see overlay.
func (e *Engine) projected(v view, owner declaration, create func() projection) projection {
	if v.namespace == nil || owner.counted().closed.Load() {
		return nil
	}
	if p := v.projection(owner); p != nil {
		return p
	}
	if !e.lockOutside() {
		return nil // the caller goes through all records instead
	}
	defer e.mu.Unlock()
	if e.namespace(v.name) != v.namespace || owner.counted().closed.Load() {
		return nil
	}
	p := v.projection(owner)
	if p != nil {
		return p
	}
	p = create()
	for n := range v.keys.count.Load() {
		r, _ := v.last(n)
		p.put(n, Record{}, r)
	}
	all := append(slices.Clone(v.built()), owned{owner, p})
	v.projections.Store(&all)
	return p
}

// projection returns the projection of a Scope or Index; nil if it is not built.
func (s *namespace) projection(owner declaration) projection {
	for _, p := range s.built() {
		if p.owner == owner {
			return p.projection
		}
	}
	return nil
}

func (s *namespace) built() []owned {
	if all := s.projections.Load(); all != nil {
		return *all
	}
	return nil
}
