// SPDX-License-Identifier: Apache-2.0

package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/ctxsync"
	"github.com/igniter-store/igniter/wire"
)

// A Log is a log in a directory. [Open] makes one.
type Log struct {
	opts   Options
	dir    *directory
	log    *zap.Logger
	report RecoveryReport
	kept   atomic.Uint64 // bytes in the quarantine

	seq   *sequencer.Sequencer // used by the committer only
	group group                // used by the committer only
	seen  time.Time            // used by the committer only: when it last checked that the directory is the log's

	// state is the state that readers see. update replaces it, with mu held, and notifies changed.
	state   atomic.Pointer[state]
	changed ctxsync.Signal

	head atomic.Pointer[backend.Head] // as the flusher last computed it; nil: not yet
	gaps atomic.Bool                  // a mirror lacks hashes of facts, see mirrorMark

	// maintenance is held while segments are replaced or their indexes made.
	maintenance ctxsync.Mutex

	work    chan struct{} // wakes the flusher: space ahead is running out, or a segment was sealed
	stop    func()        // ends the flusher
	flushed chan struct{} // closed when the flusher has ended
	close   func() error  // does the work of Close, once

	mu         sync.Mutex     // held only briefly, never while waiting for the disk
	closing    bool           // no more writes
	failed     error          // why the log takes no more writes; nil if it takes writes
	states     []state        // unused ones, for update
	damage     map[place]bool // places where damage was found
	syncs      backend.Timings
	queue      []*write
	committing bool      // there is a committer
	idle       sync.Cond // signals that there is no committer
}

var (
	_ backend.Log = (*Log)(nil)
	_ wire.Framer = (*Log)(nil)
)

// Open opens the log in a directory, and recovers it after a crash; see the package's comment. The directory belongs to the
// Log until Close: if another process has it, the error is an *InUseError that names the process. A log of a newer release
// is a *[VersionError]. Damage is a *backend.CorruptError; with Options.Repair, Open sets damaged bytes aside and goes on.
func Open(ctx context.Context, opts Options) (l *Log, err error) {
	defer wrap(&err, "open log %s", opts.Path)
	return open(ctx, opts)
}

func open(ctx context.Context, opts Options) (*Log, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	d := newDirectory(&opts)
	if err := d.checkExists(); err != nil {
		return nil, err
	}
	if err := makeDir(d.fs, d.path); err != nil {
		return nil, err
	}
	if _, err := d.list(); err != nil {
		return nil, err // before Open creates a lock file in a directory that is not a log's
	}
	if d.lock, err = d.locked(d.fs.Lock); err != nil {
		return nil, readOnly(err)
	}
	if err := d.prepareMirror(&opts); err != nil {
		return nil, errors.Join(err, d.lock.Close())
	}
	l := &Log{
		opts: opts, dir: d, log: opts.Logger, maintenance: ctxsync.NewMutex(),
		work: make(chan struct{}, 1), flushed: make(chan struct{}),
	}
	l.close = sync.OnceValue(l.end)
	l.idle.L = &l.mu
	l.gaps.Store(d.mark != nil && d.mark.Gaps)
	l.group.log = l
	r := recovery{directory: d, opts: &l.opts, lookup: (&lookup{log: l}).fact}
	err = r.run(ctx)
	l.kept.Store(d.quarantined())
	if err = readOnly(err); err != nil {
		if r.active != nil {
			err = errors.Join(err, r.active.close())
		}
		return nil, errors.Join(err, d.lock.Close())
	}
	l.seq, l.report = r.seq, r.report
	var horizons format.Horizons
	l.opts.MaxFrame = max(l.opts.MaxFrame, r.current.Largest)
	for _, s := range r.sealed {
		l.opts.MaxFrame = max(l.opts.MaxFrame, s.Largest)
		horizons = format.Join(horizons, s.Horizons)
	}
	for store, h := range horizons { // a repair may have read facts that this or another Open cuts off
		if d.mark == nil { // a mirror gets horizons before it gets the facts
			h.Seq = min(h.Seq, r.report.LastSeq)
		}
		horizons[store] = h
	}
	l.state.Store(&state{sealed: r.sealed, horizons: horizons, active: r.active, current: r.current, last: r.report.LastSeq, lastTime: r.seq.Time(), durable: r.report.LastSeq})
	switch {
	case opts.mirror != nil:
		err = l.adopt(opts.mirror)
	case opts.promote:
		err = l.promote()
	}
	if err != nil {
		return nil, errors.Join(err, l.state.Load().active.file.Close(), d.lock.Close())
	}
	r.report.log(l.log, d.path)
	if slices.ContainsFunc(r.sealed, func(s *segment) bool { return !s.indexed() }) {
		l.nudge()
	}
	l.restoreReserve()
	flushing, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.flush(flushing)
	return l, nil
}

// readOnly explains an error that comes from a read-only directory.
func readOnly(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("the directory or a file in it is read-only, and a log writes there even when it is only read; make it writable, or open a copy: %w", err)
	}
	return err
}

// Features implements backend.Log.
func (l *Log) Features() backend.Features {
	return backend.Features{Batches: true, Prune: true, AllIDs: true, MaxFrame: l.opts.MaxFrame}
}

// Report returns the report of Open's recovery.
func (l *Log) Report() RecoveryReport { return l.report }

// Close implements backend.Backend. It first writes the facts that wait to be written.
func (l *Log) Close() (err error) {
	defer wrap(&err, "close log %s", l.dir.path)
	return l.close()
}

func (l *Log) end() error {
	l.mu.Lock()
	l.closing = true
	for l.committing {
		l.idle.Wait()
	}
	l.mu.Unlock()
	l.stop()
	<-l.flushed
	_ = l.maintenance.Lock(context.Background()) // a running snapshot or Prune ends first
	defer l.maintenance.Unlock()
	err := l.finish()
	l.update(func(s *state) { s.closed = true })
	return errors.Join(err, l.state.Load().active.close(), l.dir.lock.Close())
}

// finish makes all facts durable, and cuts off the space that was written ahead. Under SyncInterval and SyncNever, it ends
// the segment with a marker that tells the next Open that no fact is missing.
func (l *Log) finish() error {
	if l.here() != nil || l.failure() != nil {
		return nil // the writers have got errors, or another process has the files now
	}
	s := l.state.Load()
	err := s.active.seal()
	if err != nil || !s.active.markers {
		return err
	}
	if err := s.active.markAs(format.AppendClosed(nil, s.last)); err != nil {
		return err
	}
	return s.active.syncFrames(s.active.end)
}

// wrap adds a description of the failed action to an error.
func wrap(err *error, text string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("file: "+text+": %w", append(args, *err)...)
	}
}

// fail makes the log refuse all later writes.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("%w: what was not acknowledged may be in the log: open it again, and write that again with the same IDs: %w", backend.ErrFailed, err)
		l.log.Error("the log takes no more writes until it is opened again", zap.String("path", l.dir.path), zap.Error(err))
	}
	return l.failed
}

func (l *Log) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// here returns a *backend.DivergedError, and ends the log, if the directory or its lock file was removed or replaced, so
// that another process may write there.
func (l *Log) here() error {
	s := l.state.Load()
	if s.gone != nil || s.closed {
		return s.gone
	}
	cause := l.dir.held()
	if cause == nil {
		return nil
	}
	gone := fmt.Errorf("%w: open what is there now: %w",
		cause, &backend.DivergedError{Cursor: backend.Cursor{Log: l.dir.id.Log, Seq: s.last}})
	l.mu.Lock()
	if l.failed == nil {
		l.failed = gone
		l.log.Error("the directory is not the log's own any more: nothing is read or written any more", zap.String("path", l.dir.path), zap.Error(cause))
	}
	l.mu.Unlock()
	l.update(func(s *state) { s.gone = gone })
	return gone
}

// A place is a damaged place of a file. Offset is 0 if the file is missing.
type place struct {
	path   string
	offset int64
}

// maxPlaces limits the damaged places that are logged and counted.
const maxPlaces = 1000

// noteDamage logs and counts the damage in an error, each place once.
func (l *Log) noteDamage(err error) {
	c, ok := errors.AsType[*backend.CorruptError](err)
	if !ok {
		return
	}
	at := place{c.Path, c.Offset}
	l.mu.Lock()
	known := l.damage[at] || len(l.damage) >= maxPlaces
	if !known {
		if l.damage == nil {
			l.damage = map[place]bool{}
		}
		l.damage[at] = true
	}
	l.mu.Unlock()
	if !known {
		l.log.Error("a part of the log is damaged or missing, and facts there cannot be read", zap.String("path", c.Path), zap.Int64("offset", c.Offset), zap.String("reason", c.Reason))
	}
}

func (l *Log) damaged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.damage)
}

func (l *Log) isClosing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// maintain waits for the right to replace segments. The caller ends it with maintenance.Unlock.
func (l *Log) maintain(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.maintenance.Lock(ctx); err != nil {
		return err
	}
	err := l.goOn(ctx)
	if err == nil {
		err = l.here()
	}
	if err == nil {
		err = l.failure()
	}
	if err != nil {
		l.maintenance.Unlock()
	}
	return err
}

// goOn returns an error if a long task must end.
func (l *Log) goOn(ctx context.Context) error {
	if l.isClosing() {
		return backend.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.state.Load().gone
}

// failIf makes the log refuse writes if err is ErrFailed, since the content of the directory is unknown then. It ends the
// log if the directory is no longer its own. It turns a lack of room into ErrFull.
func (l *Log) failIf(err error) error {
	if err != nil {
		l.noteDamage(err)
		err = cmp.Or(l.here(), err)
	}
	switch {
	case errors.Is(err, backend.ErrFailed):
		return l.fail(err)
	case isFull(err) && !errors.Is(err, backend.ErrFull):
		return fmt.Errorf("%w: make room and try again: %w", backend.ErrFull, err)
	}
	return err
}
