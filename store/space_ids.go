package store

import "hash/maphash"

// fact returns the fact with an ID if the engine shows it; otherwise the zero Record.
func (e *Engine) fact(id string) Record {
	for _, s := range e.spaces.Range {
		s := s.(*namespace)
		for n := range e.ids(s).each(id) {
			if r := s.nth(int(n)); r.hasID(id) && r.Seq() <= e.Head() {
				return r
			}
		}
	}
	return Record{}
}

// ids returns the table of a namespace's facts by ID, which has their places in the log. The first call builds
// it.
func (e *Engine) ids(s *namespace) *hashTable {
	if t := s.ids.Load(); t != nil {
		return t
	}
	e.mu.Lock()
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
