package store

import (
	"slices"
	"sync/atomic"
)

// A projection is an index over the latest records of a namespace, kept up as facts are added.
type projection interface {
	// put takes in that r is the record of the key with number n, after prev. It is called by one
	// goroutine at a time, once r is in the namespace and before the engine's head moves to r.
	put(n uint32, prev, r Record)

	// forget is called when another namespace takes the place of the one that the projection is over.
	forget()
}

// projected is what a projection was built over. If either changes, the projection no longer holds.
type projected struct {
	space   *namespace
	upcasts *upcasts
	left    func() // makes its lazy forget it
}

func (p projected) forget() { p.left() }

func (p projected) holds(s *namespace) bool { return p.space == s && p.upcasts == s.upcasts.Load() }

// A lazy builds a projection on first use, and again when the old one no longer holds.
type lazy[P any, PP interface {
	*P
	projection
}] struct {
	engine *Engine
	store  string
	create func(projected) PP
	built  atomic.Pointer[P]
	over   func(PP) projected
}

// get returns the projection over the namespace of v; nil if that is not the one of the store any more, or
// v has none. It is as of v's head or later, see overlay.
func (l *lazy[P, PP]) get(v view) PP {
	if x := l.built.Load(); v.namespace == nil || x != nil && l.over(x).holds(v.namespace) {
		return x
	}
	l.engine.mu.Lock()
	defer l.engine.mu.Unlock()
	s := v.namespace
	if l.engine.namespace(l.store) != s {
		return nil
	}
	old := l.built.Load()
	if old != nil && l.over(old).holds(s) {
		return old
	}
	var x PP
	x = l.create(projected{s, s.upcasts.Load(), func() { l.built.CompareAndSwap(x, nil) }})
	for n := range s.keys.count.Load() {
		r, _ := s.key(n)
		x.put(n, Record{}, r)
	}
	if old != nil {
		s.projections = slices.DeleteFunc(s.projections, func(p projection) bool { return p == projection(PP(old)) })
	}
	s.projections = append(s.projections, x)
	l.built.Store(x)
	return x
}
