package store

import "hash/maphash"

// fact returns the fact with an ID if the engine shows it; otherwise the zero Record.
func (e *Engine) fact(id string) Record {
	for _, s := range e.spaces.Range {
		s := s.(*namespace)
		table := e.ids(s)
		if table == nil {
			for n := range int(s.count.Load()) {
				if r := s.nth(n); r.hasID(id) && r.Seq() <= e.Head() {
					return r
				}
			}
			continue
		}
		for n := range table.each(id) {
			if r := s.nth(int(n)); r.hasID(id) && r.Seq() <= e.Head() {
				return r
			}
		}
	}
	return Record{}
}

// ids returns the table of a namespace's facts by ID, which has their places in the log. The first call builds
// it; nil if a function of the app asks that is called under the engine's lock.
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
