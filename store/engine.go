// Package store is the engine: it holds the facts of a log in memory, reads them on both time axes, and
// writes through it.
//
// [Engine] says what is and was; over it lie [Scope], [Index] and [Relation], which find records by
// what they hold, [Fold], [Rule] and [Lineage], which follow what leads to what, and [Retention]. They
// are all projections of the log: each process builds its own, on first use.
//
// Facts are packed into large blocks without pointers, so that millions of them cost the collector
// nothing, and readers take no lock that a writer holds, but to build what is built on first use and,
// for a moment, to look into an [Index].
package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// Options says how an Engine works. The zero Options is good.
type Options struct {
	// Logger gets what an operator should know: that following the log broke off, and why.
	// Nil: nothing is logged.
	Logger *zap.Logger

	// NewID makes the IDs of facts that are written without one; nil: UUIDs of version 7. It may
	// be called concurrently.
	NewID func() (string, error)

	// Now tells the time that retention by age goes by; nil: time.Now. It may be called concurrently.
	Now func() time.Time

	// DerivationFailed is told of each rule that failed for a fact of this engine's own writes, with
	// one *DerivationError or several joined, before the write returns; nil: only the logger is.
	DerivationFailed func(source Record, err error)

	// Progress is told how far opening is, now and then, by the goroutine that called Open; nil:
	// nobody is.
	Progress func(Progress)

	// Stores are those whose facts are read and kept in memory; nil: all. Others read as if they were
	// empty, and can't be written or followed, until [Engine.Load] is asked for them.
	Stores []string

	// KeepVersions is how many facts of each key are kept in memory at least, the latest ones; 0:
	// all. Reads of the present are as ever, and tails, watches and folds read from the log what is
	// not kept. Reads of a Moment, of a key's History, of Facts and by ID see what is kept only:
	// [Engine.Past], and the methods of that name of scopes, indexes and relations, have all.
	KeepVersions int

	// ReadOnly makes every write report ErrReadOnly.
	ReadOnly bool
}

// ErrReadOnly is reported by writes of an engine that was opened read-only.
var ErrReadOnly = errors.New("store: the engine is read-only")

// Progress is how far the opening of an engine is.
type Progress struct {
	Facts uint64 // read so far
	Total uint64 // that the log held when it began; 0: not known
}

// An Engine holds the facts of a log in memory, indexed, and writes through it. Its methods may be
// called concurrently.
type Engine struct {
	log  backend.Backend
	opts Options

	spaces sync.Map      // *namespace by the store's name
	head   atomic.Uint64 // the seq through which the log is shown
	ended  atomic.Bool   // failed is set

	mu         sync.Mutex // held to apply facts; guards all up to the empty line
	waiting    waiters
	retentions map[string]Retention // by store
	failed     error                // why the log is no longer followed

	alone  chan struct{} // not nil: the log can't be followed; who writes it takes the one element
	behind bool          // of who took it: a write failed that may have been written

	stop context.CancelFunc // ends following
	done chan struct{}      // closed when nothing follows any more

	rules atomic.Pointer[[]Rule] // replaced as a whole
	keys  []string               // the only ones shown, see Past; nil: all

	stores   atomic.Pointer[[]string] // those kept in memory, sorted; nil: all. Replaced as a whole, under mu
	loading  chan struct{}            // who loads stores puts an element in
	looking  sync.Mutex               // see look
	arriving *arrival                 // the stores being loaded; nil: none. Guarded by mu
}

// Open returns an Engine over the log of b that shows all facts acknowledged before the call. It
// reads the whole log or, with Options.Stores, their facts; ctx ends that early.
//
// Facts that others write to the log show up by themselves, if b is a [backend.Follower]. If it is
// not, the engine must be the only one that writes.
//
// The engine does not close b; b is closed after the engine.
func Open(ctx context.Context, b backend.Backend, opts Options) (*Engine, error) {
	if b == nil {
		return nil, fmt.Errorf("store: open: %w", &backend.InvalidError{Field: "backend", Reason: "nil"})
	}
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	if opts.NewID == nil {
		opts.NewID = NewID
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	e := newEngine(b, opts)
	if err := e.open(ctx); err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	following, stop := context.WithCancel(context.Background())
	e.stop = stop
	if !canFollow(b) {
		e.alone = make(chan struct{}, 1)
		e.alone <- struct{}{}
		close(e.done)
		return e, nil
	}
	go func() {
		defer close(e.done)
		e.follow(following)
	}()
	return e, nil
}

// newEngine returns an engine that shows nothing yet.
func newEngine(b backend.Backend, opts Options) *Engine {
	e := &Engine{log: b, opts: opts, done: make(chan struct{}), loading: make(chan struct{}, 1)}
	if opts.Stores != nil {
		e.keep(opts.Stores)
	}
	return e
}

// canFollow reports whether b is followed in deed, by following it with a context that is done.
func canFollow(b backend.Backend) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range backend.Follow(ctx, b, 0) {
		return !errors.Is(err, errors.ErrUnsupported)
	}
	return true
}

// Close ends following the log, and waits for that. Writes that wait to be shown report
// backend.ErrClosed, and so do later ones; reading goes on from what is in memory. It does not
// close the backend. Closing again does nothing.
func (e *Engine) Close() error {
	e.fail(fmt.Errorf("store: the engine is closed: %w", backend.ErrClosed))
	e.stop()
	<-e.done
	return nil
}

// Head returns the seq through which the engine shows the log: all facts of its own writes that
// returned, and of others' what has come. 0: none. [AsOf] makes a Moment of it.
//
// It moves on fact by fact, since logs do not say where a batch ends: it, and a read without a
// Moment, may show a state between two facts of a batch. To see none or all of it, read AsOf the seq of
// the last fact of a batch, which WriteBatch returns.
func (e *Engine) Head() uint64 { return e.head.Load() }

// Err returns why the engine no longer follows the log; nil as long as it does. From then on it
// shows what it has, and takes no more writes.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}
