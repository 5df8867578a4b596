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

	newID   func() (string, error)
	trace   func(context.Context) string
	partial bool // the engine does not have all of the past
	some    bool // the engine was opened for some stores only
}

// Open opens the backend that opts name, reads its log, and returns a Store over it. ctx is for
// the call. Close the Store when done.
func Open(ctx context.Context, opts Options) (*Store, error) {
	name := opts.Backend
	if name == "" {
		name = defaultBackend
	}
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("companion: open: %w", err)
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
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("companion: new: %w", err)
	}
	return over(ctx, b, opts)
}

func over(ctx context.Context, b backend.Backend, opts Options) (*Store, error) {
	given := store.Options{
		Logger: opts.Logger, NewID: opts.NewID, Now: opts.Now, Progress: opts.Progress, Stores: opts.Stores, KeepVersions: opts.KeepVersions, ReadOnly: opts.ReadOnly,
	}
	if given.NewID == nil {
		given.NewID = store.NewID
	}
	if opts.DerivationFailed != nil {
		given.DerivationFailed = func(_ store.Record, err error) { opts.DerivationFailed(err) }
	}
	engine, err := store.Open(ctx, b, given)
	if err != nil {
		return nil, fmt.Errorf("companion: %w", err)
	}
	return &Store{log: b, engine: engine, newID: given.NewID, trace: opts.Trace, partial: opts.KeepVersions > 0, some: opts.Stores != nil}, nil
}

// Close ends the Store. What was written stays where the backend keeps it. Later writes report
// ErrClosed; reading goes on from what is in memory. Closing again does nothing.
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

// What the engine says is said here in its words: package store has their fields, such as
// store.Retention, and what these mean.
type (
	Moment     = store.Moment     // as of when to read, on both time axes; the zero Moment is now
	Query      = store.Query      // what to list, and in which order; the zero Query is all that is current
	Progress   = store.Progress   // how far opening is
	FactRef    = store.FactRef    // a fact without its value
	Lineage    = store.Lineage    // all that led to a fact, with a proof
	Retention  = store.Retention  // which facts of a store are kept
	Compaction = store.Compaction // what was pruned
)

// Errors that callers branch on with errors.Is, beside ErrNotFound. Those of the backend are in its
// words; package backend has all of them, and types that say more.
var (
	ErrConflict    = backend.ErrConflict    // a condition of a write does not hold; also *backend.ConflictError
	ErrInvalid     = backend.ErrInvalid     // what was given can't be; also *backend.InvalidError, which names the field
	ErrIDReused    = backend.ErrIDReused    // an ID given by Change.WithID names another fact
	ErrUnavailable = backend.ErrUnavailable // the backend can't be reached now
	ErrClosed      = backend.ErrClosed      // the Store is closed
	ErrReadOnly    = store.ErrReadOnly      // the Store was opened with ReadOnly
	ErrNotLoaded   = store.ErrNotLoaded     // Options.Stores does not have the store, and Load was not asked for it
	ErrDropped     = store.ErrDropped       // facts that are asked for are not kept in memory, see Options.KeepVersions
	ErrNewer       = store.ErrNewer         // a value's schema version is above the one known, see Records.Upcast
)

// Load reads the facts of stores that Options.Stores left out, and keeps them from then on. Records
// and Histories of a store are made once it is loaded: before that, it is ErrNotLoaded.
func (s *Store) Load(ctx context.Context, stores ...string) error {
	return s.engine.Load(ctx, stores...)
}

// AsOf returns the moment at which the log went through seq; with 0 it was empty.
func AsOf(seq uint64) Moment { return store.AsOf(seq) }

// Head returns the seq through which the Store shows the log. [AsOf] it several reads see one state
// that the log was in. While others write, that may be one in which a batch is there in part. The Seq
// of a Receipt, of several that Write returned the last one, is never such a state.
func (s *Store) Head() uint64 { return s.engine.Head() }

// Sync waits until the Store shows every fact that was acknowledged anywhere before the call:
// reads after it are linearizable.
func (s *Store) Sync(ctx context.Context) error { return s.engine.Sync(ctx) }

// WaitFor waits until the Store shows the log through seq, such as that of a Receipt that another
// process got.
func (s *Store) WaitFor(ctx context.Context, seq uint64) error { return s.engine.WaitFor(ctx, seq) }

// Lineage returns all that led to the fact with an ID: who wrote what when, from which sources, with
// a proof that [Store.Verify] recomputes. An ID that the Store does not hold is ErrNotFound, or ErrDropped
// where it may be in the log.
func (s *Store) Lineage(id string) (Lineage, error) {
	r, ok := s.engine.FactByID(id)
	if !ok && (s.partial || s.some) {
		return Lineage{}, fmt.Errorf("companion: lineage of fact %q: %w", id, ErrDropped)
	}
	if !ok {
		return Lineage{}, fmt.Errorf("%w: fact %q", ErrNotFound, id)
	}
	return s.engine.Lineage(r)
}

// Verify checks a lineage against the log; what does not hold is backend.ErrCorrupt.
func (s *Store) Verify(l Lineage) error { return s.engine.Verify(l) }

// Compact prunes what the retentions of Records and Histories do not keep, for good, and returns
// what that was. See [store.Engine.Compact].
func (s *Store) Compact(ctx context.Context) ([]Compaction, error) { return s.engine.Compact(ctx) }

// PlanCompaction returns what Compact would prune now, and changes nothing.
func (s *Store) PlanCompaction() []Compaction { return s.engine.PlanCompaction() }
