// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A Store reads and writes the facts of a log, and shows their current and past values. Its methods, and
// the methods of the Records and Events over it, may be called concurrently.
type Store struct {
	log    backend.Backend
	owned  bool // Close closes log
	engine *store.Engine

	newID func() (string, error)
	trace func(context.Context) string

	logger *zap.Logger
}

// Open opens the backend that opts selects, reads its log, and returns a Store over it. ctx is for the call only. Close
// the Store when done.
func Open(ctx context.Context, opts Options) (*Store, error) {
	b, err := backend.Open(ctx, cmp.Or(opts.Backend, "memory"), opts.config())
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

// New reads the log of b and returns a Store over it. Closing the Store does not close b. Options for opening a backend
// must not be set.
func New(ctx context.Context, b backend.Backend, opts Options) (*Store, error) {
	err := opts.config().Only("")
	if opts.Backend != "" {
		err = &backend.InvalidError{Field: "backend"}
	}
	var invalid *backend.InvalidError
	if errors.As(err, &invalid) {
		invalid.Reason = "it is for opening a backend, and New is given an open one"
		return nil, fmt.Errorf("companion: new: %w", invalid)
	}
	return over(ctx, b, opts)
}

func over(ctx context.Context, b backend.Backend, opts Options) (*Store, error) {
	if opts.NewID == nil {
		opts.NewID = store.NewID
	}
	for name, d := range map[string]time.Duration{"write_timeout": opts.WriteTimeout, "max_skew": opts.MaxSkew} {
		if d > 0 && d < time.Millisecond {
			return nil, fmt.Errorf("companion: %w", &backend.InvalidError{Field: name, Reason: fmt.Sprint(d, " is below a millisecond: is its unit missing?")})
		}
	}
	logger := cmp.Or(opts.Logger, zap.NewNop())
	given := store.Options{
		Logger: opts.Logger, NewID: opts.NewID, Now: opts.Now, Progress: opts.Progress, Stores: opts.Stores, KeepVersions: opts.KeepVersions, ReadOnly: opts.ReadOnly,
		WriteTimeout: opts.WriteTimeout, MaxSkew: opts.MaxSkew,
	}
	if opts.DerivationFailed != nil {
		given.DerivationFailed = func(_ store.Record, err error) { opts.DerivationFailed(err) }
	}
	engine, err := store.Open(ctx, b, given)
	if err != nil {
		return nil, fmt.Errorf("companion: %w", err)
	}
	return &Store{log: b, engine: engine, newID: opts.NewID, trace: opts.Trace, logger: logger}, nil
}

// Close closes the Store, and the backend if Open opened it. Later writes return ErrClosed; reads go on from memory.
// Closing again does nothing.
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

// Errors that callers branch on with errors.Is. Package backend has more, and the types that the comments
// name.
var (
	ErrNotFound    = store.ErrNotFound      // the key has no value, or had none as of the moment; or the log has no fact with the ID
	ErrConflict    = backend.ErrConflict    // a condition of a write does not hold; also *backend.ConflictError
	ErrInvalid     = backend.ErrInvalid     // an argument breaks a rule; also *backend.InvalidError, which names the field
	ErrIDReused    = backend.ErrIDReused    // another fact already has the ID given by Change.WithID
	ErrUnavailable = backend.ErrUnavailable // the backend can't be reached; a write waits for it until its context or Options.WriteTimeout ends, and may still be in the log, now or later: see Store.Health
	ErrClosed      = backend.ErrClosed      // the Store is closed
	ErrReadOnly    = store.ErrReadOnly      // the Store was opened with ReadOnly
	ErrNotLoaded   = store.ErrNotLoaded     // Options.Stores does not have the store, and Load was not called for it
	ErrDropped     = store.ErrDropped       // the Store does not hold a fact that the log may have, see Store.Lineage
	ErrCompacted   = backend.ErrCompacted   // the requested past was compacted; also *backend.CompactedError, which has the horizon
	ErrNewer       = store.ErrNewer         // a value's schema version is above the current one, see Records.Upcast
)

// Load reads the facts of stores that Options.Stores left out, and keeps them from then on. Make the
// Records and Events of a store after Load: before it, NewRecords and NewEvents return ErrNotLoaded.
func (s *Store) Load(ctx context.Context, stores ...string) error {
	return s.engine.Load(ctx, stores...)
}

// AsOf returns the moment at which the log ended with seq. AsOf(0) is the moment at which it was empty.
func AsOf(seq uint64) Moment { return store.AsOf(seq) }

// ValidNow returns a moment that selects the values that are valid when they are read. Get and scopes show the current
// value, which is the value that was written last, even if it corrects the past or is only valid from next month on. A
// read as of ValidNow returns the value with the latest valid time that is not in the future.
func ValidNow() Moment { return store.ValidNow() }

// Head returns the seq through which the Store shows the log. Several reads [AsOf] it see one state that
// the log was in. Batches are shown as a whole.
func (s *Store) Head() uint64 { return s.engine.Head() }

// Sync waits until the Store shows every fact that any process had acknowledged before the call: reads after Sync are
// linearizable. If the log is no longer the one that the Store has read (it was restored to an earlier seq, emptied or
// replaced), Sync and all later writes return a *backend.DivergedError, and reads go on from memory: close the Store
// and open it again.
func (s *Store) Sync(ctx context.Context) error { return s.engine.Sync(ctx) }

// Cursor returns the Store's position in its log. A consumer that goes on after a restart stores the cursor's Log with
// the Seq of the last record that it has handled, as text: Cursor{Log, Seq}.String().
func (s *Store) Cursor() backend.Cursor { return s.engine.Cursor() }

// Resume returns the seq to pass to Tail, Since or Watch for a consumer that has handled the log through c. If the log
// lacks facts that the consumer has handled, because it was restored to an earlier seq or is another log, the error is
// a *backend.DivergedError: its Common is the seq through which the consumer's work still holds.
func (s *Store) Resume(ctx context.Context, c backend.Cursor) (after uint64, err error) {
	return s.engine.Resume(ctx, c)
}

// Health returns the state of the Store and its log: whether it follows the log and, if not, why. It does no I/O and
// does not wait, so that it suits a health check. See [store.Engine.Health].
func (s *Store) Health() Health { return s.engine.Health() }

// WaitFor waits until the Store shows the log through seq, such as the Seq of a Receipt from another
// process.
func (s *Store) WaitFor(ctx context.Context, seq uint64) error { return s.engine.WaitFor(ctx, seq) }

// Lineage returns everything that led to the fact with an ID: who wrote what, when, and from which sources, with a
// proof that [Store.VerifyLineage] checks. An ID that is not in the log is ErrNotFound. If the Store does not hold a
// part of the lineage that the log may have, the error is ErrDropped: see Options.KeepVersions and Options.Stores.
func (s *Store) Lineage(id string, stores ...string) (Lineage, error) {
	return s.engine.Lineage(id, stores...)
}

// VerifyLineage checks a lineage against the log. The error is backend.ErrCorrupt if the lineage is wrong, and
// ErrDropped as in Lineage.
func (s *Store) VerifyLineage(l Lineage) error { return s.engine.VerifyLineage(l) }

// Compact prunes what the retentions of Records and Events do not keep, durably, and returns
// what it pruned. See [store.Engine.Compact].
func (s *Store) Compact(ctx context.Context) ([]Compaction, error) { return s.engine.Compact(ctx) }

// PlanCompaction returns what Compact would prune now, and changes nothing.
func (s *Store) PlanCompaction() []Compaction { return s.engine.PlanCompaction() }
