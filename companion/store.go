package companion

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	_ "github.com/igniter-store/igniter/backend/file"    // registers the backend
	_ "github.com/igniter-store/igniter/backend/memory"  // and this one
	_ "github.com/igniter-store/igniter/backend/network" // and this one
	"github.com/igniter-store/igniter/store"
)

// A Store is an app's memory: facts in a log, and what they say now and said before. Its methods,
// and those of the Records and Histories over it, may be called concurrently.
type Store struct {
	log    backend.Backend
	owned  bool // Close closes log
	engine *store.Engine
}

// Open opens the backend that opts name, reads its log, and returns a Store over it. ctx is for
// the call. Close the Store when done.
func Open(ctx context.Context, opts Options) (*Store, error) {
	name := opts.Backend
	if name == "" {
		name = defaultBackend
	}
	b, err := backend.Open(ctx, name, opts.config())
	if err != nil {
		return nil, fmt.Errorf("companion: open: %w", err)
	}
	s, err := over(ctx, b, opts)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	s.owned = true
	return s, nil
}

// New reads the log of b and returns a Store over it, which leaves b open when it is closed. Of
// opts only what is not about opening a backend may be set.
func New(ctx context.Context, b backend.Backend, opts Options) (*Store, error) {
	var invalid *backend.InvalidError
	switch err := opts.config().Only(""); {
	case b == nil:
		invalid = &backend.InvalidError{Field: "backend", Reason: "nil"}
	case opts.Backend != "":
		invalid = &backend.InvalidError{Field: "backend", Reason: "New is given an open backend and opens none by name"}
	case errors.As(err, &invalid):
		invalid.Reason = "it is for opening a backend, and New is given an open one"
	}
	if invalid != nil {
		return nil, fmt.Errorf("companion: new: %w", invalid)
	}
	return over(ctx, b, opts)
}

func over(ctx context.Context, b backend.Backend, opts Options) (*Store, error) {
	engine, err := store.Open(ctx, b, store.Options{Logger: opts.Logger})
	if err != nil {
		return nil, fmt.Errorf("companion: %w", err)
	}
	return &Store{log: b, engine: engine}, nil
}

// Close ends the Store. What was written stays where the backend keeps it. Later writes report
// backend.ErrClosed; reading goes on from what is in memory. Closing again does nothing.
func (s *Store) Close() error {
	err := s.engine.Close()
	if s.owned {
		err = errors.Join(err, s.log.Close())
	}
	return err
}

// Engine returns the engine under the Store, for untyped access.
func (s *Store) Engine() *store.Engine { return s.engine }

// Snapshot consolidates the log, so that it takes less room and opens faster. It never changes
// what the Store shows.
func (s *Store) Snapshot(ctx context.Context) error {
	if err := s.log.WriteSnapshot(ctx, 0); err != nil {
		return fmt.Errorf("companion: snapshot: %w", err)
	}
	return nil
}

// A Moment says as of when to read, on both time axes; the zero Moment is now.
type Moment = store.Moment

// Head returns the seq through which the Store shows the log. As Moment.Seq it lets several reads
// see one state.
func (s *Store) Head() uint64 { return s.engine.Head() }
