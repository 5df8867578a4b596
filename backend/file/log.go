package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// A Log is a log in a directory. [Open] makes one.
type Log struct {
	opts   Options
	dir    string
	log    *zap.Logger
	lock   io.Closer
	report RecoveryReport

	ignored  []ignored            // by recovery
	remade   []remade             // by recovery
	progress opening              // of Open
	seq      *sequencer.Sequencer // the committer's
	group    group                // the committer's
	active   *active              // the committer's, and the keeper's as its comments say

	// maintaining holds something while somebody puts pieces in the place of others, or makes their
	// indexes.
	maintaining chan struct{}

	// opening is held for reading from when a piece is found until its file is open, and for writing
	// while a file takes the name of another.
	opening sync.RWMutex

	space  chan struct{} // wakes the keeper: the space ahead is running out, or a segment is sealed
	quit   chan struct{} // closed when the keeper is to end
	keeper chan struct{} // closed when the keeper has ended
	close  func() error  // what Close does, once

	mu         sync.Mutex // held for moments only, never while waiting for the disk
	closing    bool       // no more writes
	closed     bool       // no more of anything
	failed     error      // why the log takes no more writes; nil: it does
	queue      []*write
	committing bool      // there is a committer
	idle       sync.Cond // there is none any more
	pieces     []*piece  // at least the active segment; the slice itself is never changed
	generation int       // how often pieces were replaced
	tail       tail
	last       uint64 // the seq that was given last
	durable    uint64 // facts through it are durable
	changed    chan struct{}
	lastSync   time.Time
	groups     uint64
	grouped    uint64
}

var (
	_ backend.Backend     = (*Log)(nil)
	_ backend.BatchWriter = (*Log)(nil)
	_ backend.Follower    = (*Log)(nil)
	_ backend.Pruner      = (*Log)(nil)
	_ backend.Stater      = (*Log)(nil)
	_ wire.Framer         = (*Log)(nil)
)

// Open opens the log in a directory, and recovers what a crash left there; see the package's
// comment. It holds the directory until Close: an *InUseError names the process that has it. A
// [VersionError] is a log of a newer release. Damage is a *backend.CorruptError, and with
// Options.Repair it is set aside. ctx is for the call only.
func Open(ctx context.Context, opts Options) (*Log, error) {
	l, err := open(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("file: open log %s: %w", opts.Path, err)
	}
	return l, nil
}

func open(ctx context.Context, opts Options) (l *Log, err error) {
	if opts, err = opts.withDefaults(); err != nil {
		return nil, err
	}
	dir := filepath.Clean(opts.Path)
	if err := makeDir(opts.fs, dir); err != nil {
		return nil, err
	}
	if _, err := readLayout(opts.fs, dir); err != nil {
		return nil, err // before a lock is left in a directory that is not a log's
	}
	lock, err := lockDir(opts.fs, dir)
	if err != nil {
		return nil, readOnly(err)
	}
	l = &Log{
		opts: opts, dir: dir, log: opts.Logger, lock: lock,
		progress: opening{tell: opts.Opening},
		space:    make(chan struct{}, 1), quit: make(chan struct{}), keeper: make(chan struct{}), maintaining: make(chan struct{}, 1),
	}
	l.close = sync.OnceValue(l.end)
	l.idle.L = &l.mu
	l.group.log = l
	l.seq = sequencer.New(&lookup{log: l})
	if err := readOnly(l.recover(ctx)); err != nil {
		if l.active != nil {
			err = errors.Join(err, l.active.file.Close())
		}
		return nil, errors.Join(err, lock.Close())
	}
	go l.keep()
	return l, nil
}

// readOnly says it of an error if it comes from that.
func readOnly(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("the directory, or a file in it, is read-only here, and a log writes there even to be read; make it writable, or open a copy: %w", err)
	}
	return err
}

// Report returns what Open found and did.
func (l *Log) Report() RecoveryReport { return l.report }

// Close implements backend.Backend. Writes that wait are written first.
func (l *Log) Close() error {
	if err := l.close(); err != nil {
		return fmt.Errorf("file: close log %s: %w", l.dir, err)
	}
	return nil
}

func (l *Log) end() error {
	l.mu.Lock()
	l.closing = true
	for l.committing {
		l.idle.Wait()
	}
	l.mu.Unlock()
	close(l.quit)
	<-l.keeper
	l.maintaining <- struct{}{} // a snapshot or Prune under way ends first
	defer l.maintained()
	err := l.finish()
	l.mu.Lock()
	l.closed = true
	l.wakeReaders()
	l.mu.Unlock()
	return errors.Join(err, l.active.file.Close(), l.lock.Close())
}

// finish makes durable what is not, and gives back the space that was written ahead.
func (l *Log) finish() error {
	if l.failure() != nil {
		return nil // whoever wrote has been told
	}
	err := l.active.seal()
	if err != nil || !l.active.markers || l.durable == l.last {
		return err
	}
	if err := l.active.mark(l.last); err != nil {
		return err
	}
	return l.active.file.Sync()
}

// fail makes the log refuse every later write.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = fmt.Errorf("%w: open the log anew to go on: %w", backend.ErrFailed, err)
		l.log.Error("the log takes no more writes until it is opened anew", zap.String("path", l.dir), zap.Error(err))
	}
	return l.failed
}

func (l *Log) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *Log) lastSeq() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, backend.ErrClosed
	}
	return l.last, nil
}

// unchanged reports whether no piece was replaced since the generation.
func (l *Log) unchanged(generation int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.generation == generation
}

// changedLocked returns a channel that is closed at the next change. The caller holds mu.
func (l *Log) changedLocked() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// wakeReaders tells those who wait for a change. The caller holds mu.
func (l *Log) wakeReaders() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// path returns the path of a file of the log.
func (l *Log) path(name string) string { return filepath.Join(l.dir, name) }
