package store

import "sync/atomic"

// A projection is an index over the current records of a namespace, kept up by each write.
type projection interface {
	// put takes in that r is the record of the key with number n, after prev. It is called by one
	// goroutine at a time, before the engine's head moves to r.
	put(n uint32, prev, r Record)

	// forget is called when another namespace has taken the place of the one that it is over.
	forget()
}

// projected says what a projection was built over. It holds no more once either has changed.
type projected struct {
	space   *namespace
	upcasts *upcasts
	left    func() // makes its projector forget it
}

func (p projected) forget() { p.left() }

func (p projected) holds(s *namespace) bool { return p.space == s && p.upcasts == s.upcasts.Load() }

// replace makes s the namespace of its store, in the place of the one there is, if any, which may go as
// soon as nobody reads it any more. The caller holds mu.
func (e *Engine) replace(s *namespace) {
	old := e.namespace(s.name)
	e.spaces.Store(s.name, s)
	if old == nil {
		return
	}
	for _, p := range old.projections {
		p.forget()
	}
}

// A projector builds a projection on first use, and again when the old one no longer holds.
type projector[P any, PP interface {
	*P
	projection
}] struct {
	engine *Engine
	store  string
	create func(projected) PP
	built  atomic.Pointer[P]
	over   func(PP) projected
}

// get returns the store's namespace and its projection, which shows it through Head or more; nil
// where the store has no namespace.
func (p *projector[P, PP]) get() (*namespace, PP) {
	s := p.engine.namespace(p.store)
	if s == nil {
		return nil, nil
	}
	if x := p.built.Load(); x != nil && p.over(x).holds(s) {
		return s, x
	}
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	s = p.engine.namespace(p.store)
	old := p.built.Load()
	if old != nil && p.over(old).holds(s) {
		return s, old
	}
	var x PP
	x = p.create(projected{s, s.upcasts.Load(), func() { p.built.CompareAndSwap(x, nil) }})
	for n := range s.keys.count.Load() {
		r, _ := s.key(n)
		x.put(n, Record{}, r)
	}
	if old != nil {
		s.drop(PP(old))
	}
	s.projections = append(s.projections, x)
	p.built.Store(x)
	return s, x
}
