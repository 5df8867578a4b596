// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// An access is what this process may read. While it may not read a store, the engine shows no facts of it: reads that return
// an error are backend.ErrForbidden, and others find nothing. Loops wait, and they and folds do not move over what is
// written to the store: it comes once the store may be read again.
type access struct{ stores []string } // sorted; nil: all

func (a *access) has(store string) bool {
	return a.stores == nil || slices.Contains(a.stores, store)
}

// same reports whether the stores are those that a log says may be read.
func (a *access) same(f backend.Features) bool {
	return (a.stores == nil) == (f.Stores == nil) && slices.Equal(a.stores, f.Stores)
}

// forbidden returns the error of what needs to read a store, and may not.
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

// readable returns the access of this process, which does not change while it is the engine's.
func (e *Engine) readable() *access {
	if a := e.access.Load(); a != nil {
		return a
	}
	e.lock() // it is being replaced
	defer e.mu.Unlock()
	return e.access.Load()
}

// under calls look with the access of this process that holds while look runs: if it changes meanwhile, under calls look
// again.
func (e *Engine) under(look func(a *access) error) error {
	for {
		a := e.readable()
		err := look(a)
		if a == e.access.Load() {
			return err
		}
	}
}
