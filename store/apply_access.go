package store

import (
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// An access is what this process may read. While it may not read a store, the engine shows no facts of it, and loops and
// folds do not move over what is written to it: it comes once the store may be read again.
type access struct{ stores []string } // sorted; nil: all

func (a *access) has(store string) bool {
	return a.stores == nil || slices.Contains(a.stores, store)
}

// same reports whether the stores are those that a log says may be read.
func (a *access) same(f backend.Features) bool {
	return (a.stores == nil) == (f.Stores == nil) && slices.Equal(a.stores, f.Stores)
}

// under calls look with the access of this process that holds while look runs: if it changes meanwhile, under calls look
// again.
func (e *Engine) under(look func(a *access) error) error {
	for {
		a := e.access.Load()
		if a == nil { // it is being replaced
			e.lock()
			a = e.access.Load()
			e.mu.Unlock()
		}
		err := look(a)
		if a == e.access.Load() {
			return err
		}
	}
}
