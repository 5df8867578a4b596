package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// Sync waits until the engine shows every fact that was acknowledged anywhere before the call, so
// that reads after it are linearizable. It costs a question to the backend, and what others wrote
// that has not come yet is read from the log. The backend must be a [backend.Stater], or one that
// can't be followed: then the engine is the only one that writes, and shows all.
func (e *Engine) Sync(ctx context.Context) error {
	stats, err := backend.StatsOf(ctx, e.log)
	switch {
	case errors.Is(err, errors.ErrUnsupported) && e.alone != nil:
		return nil
	case err != nil:
		return fmt.Errorf("store: sync: ask for the log's last seq: %w", err)
	case stats.LastSeq <= e.Head() || e.alone != nil:
		return e.Err()
	}
	if err := e.catchUp(ctx); err != nil {
		return fmt.Errorf("store: sync: read what others wrote: %w", err)
	}
	e.skip(stats.LastSeq)
	return nil
}

// Update writes what change makes of the latest fact of a key (the zero Record if it has none), if
// that still is the latest when it is written; otherwise it asks change anew, until ctx is done.
// Store and Key of the fact are filled in. An error of change ends it and is returned. The backend
// must be a [backend.BatchWriter]. change may be called several times, and must not write.
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
