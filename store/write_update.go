// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// Update calls change with the latest fact of a key (the zero Record if it has none), and writes the fact that change
// returns if the key was not written in between. Otherwise it calls change again, until ctx is done. Update sets Store
// and Key of the fact. It returns an error of change unchanged. The backend must write batches. change must not write:
// if it writes the key itself, every attempt conflicts; after a hundred attempts, writes of change fail. A store that
// this process may not read is backend.ErrForbidden.
func (e *Engine) Update(ctx context.Context, store, key string, change func(old Record) (backend.Fact, error)) (backend.Fact, error) {
	if err := e.mayRead(store); err != nil { // what it read would never be the latest fact
		return backend.Fact{}, fmt.Errorf("store: update key %q: %w", key, err)
	}
	for attempt := 0; ; attempt++ {
		old := e.Latest(store, key)
		var f backend.Fact
		var err error
		if attempt < maxUnguarded {
			f, err = change(old)
		} else {
			e.guarded(func() { f, err = change(old) })
		}
		if err != nil {
			return backend.Fact{}, err
		}
		f.Store, f.Key = store, key
		written, err := e.WriteIf(ctx, old.ID(), f)
		if !errors.Is(err, backend.ErrConflict) {
			return written, err
		}
	}
}
