// SPDX-License-Identifier: Apache-2.0

// Package store is the engine: it holds the facts of a log in memory, reads them on both time axes, and
// writes through it.
//
// [Engine] reads current and past values. [Scope], [Index] and [Relation] find records by what they hold. [Fold]
// aggregates facts, [Rule] derives facts from facts, [Lineage] lists what led to a fact, and [Retention] says which
// facts to keep. Scopes, indexes, relations and folds are projections of the log: each process builds its own on first
// use.
//
// Every read shows one state that the log was in: it does not see facts after the [Engine.Head], which
// moves over whole batches. Facts are packed into large blocks without pointers, so that millions of them
// cost the collector nothing. Reads are lock-free, except that the first use of a projection builds it
// under the engine's lock and an Index read briefly takes a read lock.
package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/ctxsync"
)

// Options says how an Engine works. The zero Options is good.
type Options struct {
	// Logger receives messages for the operator, such as why following the log broke off. Nil: errors go to standard
	// error, and nothing else is logged; zap.NewNop() logs nothing.
	Logger *zap.Logger

	// NewID makes the IDs of facts that are written without one; nil: UUIDs of version 7. It may
	// be called concurrently.
	NewID func() (string, error)

	// Now returns the time of this process. It is used for retention by age, MaxSkew, and reads as of a time, see
	// [Moment]. Nil: time.Now. It may be called concurrently.
	Now func() time.Time

	// MaxSkew is how far the transaction time of a fact that is written may be ahead of Now; 0: one minute. A later
	// time is a *backend.InvalidError, since every later fact of the log, in any store, would get at least that time.
	// Only imports set a transaction time, see [Engine.Import].
	MaxSkew time.Duration

	// DerivationFailed is called when rules failed for a fact. err is one *DerivationError, or several joined. The
	// write of the fact calls it before it returns. AddRule calls it too, and so does the engine for a fact that it
	// shows only after the write has ended. source is the zero Record if a rule could not be caught up at all. Nil:
	// failures are logged. It may be called concurrently.
	DerivationFailed func(source Record, err error)

	// WriteTimeout limits the time of each write; 0: only the write's context limits it. WriteTimeout is also how long
	// rules go on after their caller's context has ended; 0: 10 s.
	WriteTimeout time.Duration

	// Progress, if not nil, is called during Open, by the goroutine that called Open, with the facts read so far.
	Progress func(OpenProgress)

	// Stores are the stores whose facts are read and kept in memory; nil: all. Reads and writes of
	// another store are ErrNotLoaded until [Engine.Load] loads it; methods that return no error find no
	// facts in it.
	Stores []string

	// KeepVersions is how many facts of each key are kept in memory at least, the latest ones; 0: all. Reads of the
	// past, tails, watches and folds read older facts from the log.
	KeepVersions int

	// ReadOnly makes every write report ErrReadOnly.
	ReadOnly bool
}

// ErrReadOnly is reported by writes of an engine that was opened read-only.
var ErrReadOnly = errors.New("store: the engine is read-only")

// OpenProgress is how far Open has come.
type OpenProgress struct {
	Facts uint64 `json:"facts"` // read so far
	Total uint64 `json:"total"` // that the log held when it began; 0: not known
}

// An Engine holds the facts of a log in memory, indexed, and writes through it. Its methods may be
// called concurrently.
type Engine struct {
	log  backend.Log
	opts Options
	keys []string // the only ones held, see Past; nil: all

	spaces  spaces
	head    atomic.Uint64            // the seq through which the log is shown
	trouble atomic.Pointer[trouble]  // why the log is not followed now; nil: it is followed
	ended   atomic.Bool              // failed is set
	rules   atomic.Pointer[[]Rule]   // replaced as a whole
	stores  atomic.Pointer[[]string] // the stores kept in memory, sorted; nil: all. Replaced as a whole, under mu

	at      atomic.Pointer[backend.Cursor] // the last page's Through; the head may be further by own writes. Replaced under mu
	running atomic.Int64                   // how many rules run
	guards  atomic.Int64                   // how many functions of the app are guarded
	writing atomic.Int64                   // how many writes are on their way
	wanted  chan struct{}                  // receives a value if something waits for what the follower reads

	ahead    atomic.Pointer[[]aheadTime]                // by clock and fact, ascending; nil: none. Replaced as a whole, under mu
	horizons atomic.Pointer[map[string]backend.Horizon] // by store; nil: none. Replaced as a whole, under mu
	missing  atomic.Pointer[map[string]uint64]          // by store: facts through this seq may not be in memory, since they were pruned; nil: none. Replaced as a whole, under mu

	mu         sync.Mutex // held to apply facts; guards the fields up to the empty line
	newest     time.Time  // the latest transaction time that was applied
	waiting    waiters
	retentions map[string]Retention  // by store
	failed     error                 // why the log is no longer followed
	confirmed  map[uint64]Compaction // for the page that is applied next: what the log confirms of each receipt, by the receipt's seq
	buffer     *loadBuffer           // nil: no stores are being loaded
	calling    calling               // written under mu
	awaited    map[Source]bool       // sources for which rules run once they are shown

	declared  declarations
	loading   ctxsync.Mutex // held while stores are loaded
	declaring ctxsync.Mutex // held while a rule is added

	access        atomic.Pointer[access] // which stores this process could read when they were last read; nil for a moment under mu
	accessChanged bool                   // the stores must be read again; owned by follow
	regained      ctxsync.Signal         // access was replaced, or the engine has ended

	async *backend.Async // of WriteAsync

	life       context.Context    // of the engine's own goroutines; ends with Close
	stop       context.CancelFunc // ends life
	done       chan struct{}      // closed when follow has ended
	background sync.WaitGroup     // rules that run for sources that were awaited
}

// standardError is the Logger of an engine without one.
var standardError = zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()), zapcore.Lock(os.Stderr), zapcore.ErrorLevel))

// Open returns an Engine over the log of b that shows all facts acknowledged before the call. It reads the whole log
// or, with Options.Stores, the facts of these stores. ctx is for the call only. b may be any Backend, see
// [backend.Complete].
//
// The engine follows the log, and so shows what others write to it. It does not close b; close b after
// the engine.
func Open(ctx context.Context, b backend.Backend, opts Options) (*Engine, error) {
	if b == nil {
		return nil, fmt.Errorf("store: open: %w", &backend.InvalidError{Field: "backend", Reason: "nil"})
	}
	if opts.WriteTimeout < 0 {
		return nil, fmt.Errorf("store: open: %w", &backend.InvalidError{Field: "write_timeout", Reason: fmt.Sprint(opts.WriteTimeout, " is below 0")})
	}
	if opts.MaxSkew < 0 {
		return nil, fmt.Errorf("store: open: %w", &backend.InvalidError{Field: "max_skew", Reason: fmt.Sprint(opts.MaxSkew, " is below 0")})
	}
	if opts.KeepVersions < 0 {
		return nil, fmt.Errorf("store: open: %w", &backend.InvalidError{Field: "keep_versions", Reason: fmt.Sprint(opts.KeepVersions, " is below 0")})
	}
	for _, store := range opts.Stores {
		if err := backend.CheckStore(store); err != nil {
			return nil, fmt.Errorf("store: open: %w", &backend.InvalidError{Field: "stores", Reason: fmt.Sprintf("%q can't be the name of a store: %v", store, err)})
		}
	}
	if opts.Logger == nil {
		opts.Logger = standardError
	}
	if opts.NewID == nil {
		opts.NewID = NewID
	}
	if opts.MaxSkew == 0 {
		opts.MaxSkew = time.Minute
	}
	e := newEngine(backend.Complete(b), opts)
	if err := e.open(ctx); err != nil {
		e.stop()
		return nil, fmt.Errorf("store: open: %w", err)
	}
	go func() {
		defer close(e.done)
		e.follow(e.life)
	}()
	return e, nil
}

// newEngine returns an engine that shows nothing yet.
func newEngine(log backend.Log, opts Options) *Engine {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	e := &Engine{log: log, opts: opts, done: make(chan struct{}), wanted: make(chan struct{}, 1), loading: ctxsync.NewMutex(), declaring: ctxsync.NewMutex()}
	e.life, e.stop = context.WithCancel(context.Background())
	e.async = backend.NewAsync(e.life, e.writeAsync)
	e.access.Store(&access{log.Features().Stores})
	if opts.Stores != nil {
		e.keep(opts.Stores)
	}
	return e
}

// Close stops following the log, and waits for running rules to end. Writes that wait to be shown, and later writes,
// return backend.ErrClosed. Reads go on from memory. Close does not close the backend. Closing again does nothing. A
// rule and Options.DerivationFailed must not call Close, which would wait for them.
func (e *Engine) Close() error {
	if e.reentered() {
		return errReentered
	}
	e.fail(fmt.Errorf("store: the engine is closed: %w", backend.ErrClosed))
	e.stop()
	<-e.done
	e.async.Close()
	e.background.Wait()
	return nil
}

// Head returns the seq through which the engine shows the log; 0: nothing yet. The head covers every write of this
// engine that has returned, and the writes of others that the engine has followed so far. It moves over whole batches,
// so that a read [AsOf] any head shows a state that the log was in.
func (e *Engine) Head() uint64 { return e.head.Load() }

// Err returns nil while the engine follows the log, otherwise the reason why it no longer does. An engine that has
// stopped following still serves reads from memory, and takes no more writes. The error is a *backend.DivergedError if
// the log is no longer the one that the engine has read: open another engine to use the log as it is now.
func (e *Engine) Err() error {
	if !e.ended.Load() {
		return nil
	}
	e.lock()
	defer e.mu.Unlock()
	return e.failed
}
