package store

import (
	"context"
	"errors"

	"github.com/igniter-store/igniter/backend"
)

// Update writes what change makes of the latest fact of a key (the zero Record if it has none), if
// that still is the latest when it is written; otherwise it calls change again, until ctx is done.
// Store and Key of the fact are filled in. An error of change ends it and is returned. The backend
// must write batches. change may be called several times, and must not write.
func (e *Engine) Update(ctx context.Context, store, key string, change func(old Record) (backend.Fact, error)) (backend.Fact, error) {
	for {
		old := e.Latest(store, key)
		f, err := change(old)
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
