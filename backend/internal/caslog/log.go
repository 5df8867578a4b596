// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/ctxsync"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

// Options configure a Log. All fields may be zero.
type Options struct {
	Name     string        // begins the errors, and is the path of damage; "": caslog
	MaxFrame int           // limits the bytes of the body of a fact's or batch's frame; 0: wire.DefaultMaxFrame
	Durable  bool          // appended units survive a power cut
	Salvage  bool          // open a log whose end was removed; it takes no writes
	Doubt    time.Duration // how long a replaced leader may report a head below the known one; 0: such a head is damage

	// Quorum makes each read and each Stats first append a mark, or wait for a write in flight. So no answer comes from a
	// leader that was replaced but does not know it yet.
	Quorum bool

	Now    func() time.Time // returns transaction times; nil: time.Now
	Logger *zap.Logger      // for messages that an operator must see; nil: nothing is logged
}

// A Log is a backend.Log at a Port. Its methods may be called concurrently.
type Log struct {
	port      Port
	opts      Options
	id        backend.LogID
	ancestors []backend.Ancestor

	ctx     context.Context // of the goroutines; ends when the log is closed
	cancel  context.CancelFunc
	running sync.WaitGroup
	change  ctxsync.Signal // known has moved, or the log has failed or is closed

	turn       ctxsync.Mutex // held by the caller that may append
	rest       time.Time     // nothing is appended before this time; guarded by turn
	lone       atomic.Bool   // no other caller waited when the last group was written
	pruning    ctxsync.Mutex // held while pruning; taken before turn
	indexing   ctxsync.Mutex // held while an index is written; taken before turn
	indexEvery uint64        // the least number of facts between two indexes
	loaded     uint64        // it was opened with an index through this position; 0: it was read whole
	cleared    atomic.Uint64 // this many positions without a unit are not damage
	pruned     atomic.Pointer[pruned]
	queue      queue

	// mu guards the known state of the log.
	mu          sync.Mutex
	known       head // the log is known through this head
	seq         *sequencer.Sequencer
	held        seqrange.Set // the seqs at which the log holds facts
	bytes       uint64
	places      []place                    // ascending; not every unit has one
	horizons    map[string]backend.Horizon // replaced as a whole
	horizonTurn int                        // how often horizons was replaced
	recent      recent                     // the last units
	found       []backend.Fact             // of the unit that method fact read last

	notes  uint64            // the notes through this position were learned
	undone map[uint64]*note  // prunes that are not finished, by their note's position
	prunes uint64            // the number of prunes learned
	loose  map[uint64]uint64 // the first and last positions of abandoned Kept units, which replace nothing

	index      indexUnit // the last one; zero: none, or not known yet
	indexAt    uint64    // its position
	indexAfter time.Time // the next one is not written before

	link      backend.Connection // whether the place answered the last call
	asked     time.Time          // when the append that waits for an answer began; zero: none waits
	flight    *flight            // the unit that is being appended; nil: none
	lost      *flight            // a unit that may have been appended; nil: none
	doubted   bool               // the last answer of Head was below the known head: nothing is appended
	witnessed uint64             // the position of the last witness
	failed    error              // ends the log
	closed    bool
}

// A head is the end of a known part of the log.
type head struct {
	pos  uint64
	at   uint64 // the first position of the unit that ends at pos; 0: not known
	hash hash   // the running hash through pos
	seq  uint64 // the last seq through pos
}

// A place is the position of a seq.
type place struct{ seq, pos uint64 }

// placeEvery is the least number of seqs between two places.
const placeEvery = 256

var (
	_ backend.Log = (*Log)(nil)
	_ wire.Framer = (*Log)(nil)
)

// Open opens the log at a port, which the Log closes. It loads the newest index and reads the log after it, or the whole
// log. It finishes prunes that another process left unfinished.
func Open(ctx context.Context, port Port, opts Options) (*Log, error) {
	return open(ctx, port, opts, defaultIndexEvery)
}

func open(ctx context.Context, port Port, opts Options, indexEvery uint64) (*Log, error) {
	begun := time.Now()
	l := newLog(port, opts)
	l.indexEvery = indexEvery
	err := l.begin(ctx, true)
	if err != nil && l.loaded != 0 && !passes(err) { // the index may be wrong
		l.warn("an index does not fit the log, or the log is damaged: the whole log is read", err)
		l.stop()
		l = newLog(port, opts)
		l.indexEvery = indexEvery
		err = l.begin(ctx, false)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: open log: %w", l.opts.Name, l.because(err)), l.Close())
	}
	l.opts.Logger.Debug(l.opts.Name+": log opened", zap.Duration("took", time.Since(begun)), zap.Uint64("with_index_through_position", l.loaded))
	return l, nil
}

// begin reads the log through its end.
func (l *Log) begin(ctx context.Context, useIndex bool) (err error) {
	var missing seqrange.Set
	if useIndex {
		missing, err = l.loadIndex(ctx)
	}
	l.run()
	if err == nil {
		err = l.sync(ctx)
	}
	if err == nil && l.loaded != 0 {
		l.mu.Lock()
		if lacks := missing.Without(missing.Without(l.held)); len(lacks) > 0 {
			err = l.corrupt("the index lacks the IDs of seqs %v", lacks[0])
		}
		l.mu.Unlock()
	}
	if err == nil && !l.opts.Salvage {
		err = l.again(ctx, func() error {
			err := l.checkWitness(ctx)
			if err == nil && l.loaded != 0 {
				err = l.checkErased(ctx)
			}
			if err == nil {
				_, err = l.checkWhole(ctx)
			}
			return err
		})
	}
	if err == nil && !l.opts.Salvage {
		err = l.finishPrunes(ctx)
	}
	return err
}

func newLog(port Port, opts Options) *Log {
	opts.Name = cmp.Or(opts.Name, "caslog")
	opts.MaxFrame = min(cmp.Or(max(opts.MaxFrame, 0), wire.DefaultMaxFrame), wire.MaxMaxFrame)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	l := &Log{port: port, opts: opts, turn: ctxsync.NewMutex(), pruning: ctxsync.NewMutex(), indexing: ctxsync.NewMutex(), indexEvery: defaultIndexEvery, queue: newQueue(),
		horizons: map[string]backend.Horizon{}, undone: map[uint64]*note{}, loose: map[uint64]uint64{}}
	l.id, l.ancestors = port.Identity()
	l.pruned.Store(&pruned{})
	l.seq = sequencer.New(l.fact)
	l.lone.Store(true)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// run starts the goroutines. stop ends them.
func (l *Log) run() {
	l.running.Go(l.tail)
	l.running.Go(l.watch)
	l.running.Go(l.write)
}

func (l *Log) stop() (closed bool) {
	l.mu.Lock()
	closed = l.closed
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.change.Notify()
	l.running.Wait()
	return closed
}

func (l *Log) warn(what string, err error) {
	l.opts.Logger.Warn(l.opts.Name+": "+what, zap.Error(err))
}

// Close implements backend.Backend.
func (l *Log) Close() error {
	if l.stop() {
		return nil
	}
	l.testify(context.Background())
	return l.port.Close()
}

// Features implements backend.Log.
func (l *Log) Features() backend.Features {
	return backend.Features{Batches: true, Prune: true, AllIDs: true, MaxFrame: l.opts.MaxFrame}
}

// err returns why the log can't be used. The caller holds mu.
func (l *Log) err() error {
	if l.closed {
		return backend.ErrClosed
	}
	return l.failed
}

// fail ends the log with a permanent error, and returns it.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	if l.failed == nil {
		l.failed = err
	}
	l.mu.Unlock()
	l.change.Notify()
	return err
}

// passes reports whether an error of the port may be temporary.
func passes(err error) bool {
	return !errors.Is(err, backend.ErrCorrupt) && !errors.Is(err, backend.ErrDiverged) && !errors.Is(err, backend.ErrForbidden)
}

// stuck reports whether an error of the port lasts until somebody changes the place, or the rights of this process there.
// Callers get it at once, and the log goes on.
func stuck(err error) bool {
	return errors.Is(err, backend.ErrInvalid) || errors.Is(err, backend.ErrUnauthenticated)
}

// How long the log waits before it calls the port again after a temporary error.
const (
	minPause = 2 * time.Millisecond
	maxPause = 500 * time.Millisecond
)

// A pause is the growing wait between attempts.
type pause time.Duration

// wait waits, or ends with the error of ctx or of the log.
func (p *pause) wait(ctx context.Context, l *Log) error {
	*p = pause(min(max(2*time.Duration(*p), minPause), maxPause))
	timer := time.NewTimer(time.Duration(*p))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-l.ctx.Done():
	}
	return l.ended(ctx)
}

// again calls try until it succeeds, or its error is not temporary.
func (l *Log) again(ctx context.Context, try func() error) error {
	var p pause
	for {
		err := try()
		if err == nil || !passes(err) || stuck(err) {
			return err
		}
		if err := p.wait(ctx, l); err != nil {
			return err
		}
	}
}

// ended returns the error of ctx or of the log, if it has one.
func (l *Log) ended(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.err(); err != nil {
		return err
	}
	return ctx.Err()
}

// during returns a context that ends with ctx, and when the log is closed.
func (l *Log) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// told returns the error for a caller: the error of a context that ended with the log becomes backend.ErrClosed.
func (l *Log) told(err error, format string, args ...any) error {
	if errors.Is(err, context.Canceled) && l.ctx.Err() != nil {
		err = backend.ErrClosed
	}
	return fmt.Errorf(l.opts.Name+": "+format+": %w", append(args, l.because(err))...)
}

// noAnswer is the time of an append after which a caller that gives up gets the error that the place does not answer.
const noAnswer = time.Second

// because returns err, the error of a call. If the call's context ended while the place could not be reached, the result
// says so, too.
func (l *Log) because(err error) error {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, backend.ErrUnavailable) {
		return err
	}
	l.mu.Lock()
	link, since := l.link, l.asked
	l.mu.Unlock()
	why := ""
	switch {
	case !link.Up && link.LastError != "":
		since, why = link.Since, ": "+strings.TrimPrefix(link.LastError, backend.ErrUnavailable.Error()+": ")
	case since.IsZero() || time.Since(since) < noAnswer:
		return err
	}
	return fmt.Errorf("%w: no answer from %s for %s%s: try again, and write facts again with their IDs: %w", backend.ErrUnavailable,
		cmp.Or(link.Address, "the log's place"), time.Since(since).Round(time.Millisecond), why, err)
}

func (l *Log) corrupt(format string, args ...any) error {
	return &backend.CorruptError{Path: l.opts.Name, Reason: fmt.Sprintf(format, args...)}
}
