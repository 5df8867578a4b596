// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// An access says which stores this process may read. While the process may not read a store, the engine shows no facts
// of the store: reads that return an error return backend.ErrForbidden, and other reads find nothing. Loops wait. Loops
// and folds do not skip facts that are written meanwhile: they yield them once the process may read the store again.
type access struct{ stores []string } // sorted; nil: all

func (a *access) has(store string) bool {
	return a.stores == nil || slices.Contains(a.stores, store)
}

// same reports whether f names the same stores.
func (a *access) same(f backend.Features) bool {
	return (a.stores == nil) == (f.Stores == nil) && slices.Equal(a.stores, f.Stores)
}

// forbidden returns the error for a store that this process may not read.
func forbidden(store string) error {
	return fmt.Errorf("this process may not read store %q: %w", store, backend.ErrForbidden)
}

// mayRead returns an error if this process may not read a store.
func (e *Engine) mayRead(store string) error {
	if a := e.readable(); !a.has(store) {
		return forbidden(store)
	}
	return nil
}

// readable returns the current access. An access is immutable; the engine replaces it as a whole.
func (e *Engine) readable() *access {
	if a := e.access.Load(); a != nil {
		return a
	}
	e.lock() // it is being replaced
	defer e.mu.Unlock()
	return e.access.Load()
}

// under calls look with the current access. If the access changes while look runs, under calls look again.
func (e *Engine) under(look func(a *access) error) error {
	for {
		a := e.readable()
		err := look(a)
		if a == e.access.Load() {
			return err
		}
	}
}
