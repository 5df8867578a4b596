package memory

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// A Log is a backend.Backend in RAM, with all the optional interfaces. Its methods may be called
// concurrently.
type Log struct {
	opts Options

	mu      sync.Mutex // held for no longer than it takes to number and copy a batch
	seq     *sequencer.Sequencer
	chunks  []*chunk // never changed in place but for its last element; see replace
	sealed  bool     // the last chunk takes no more
	facts   uint64
	bytes   uint64
	changed chan struct{} // closed when there is more to read, or the log is closed; nil: no one waits
	closed  bool
	scratch []byte

	compacting sync.Mutex // held by the one who replaces chunks; taken before mu
}

var (
	_ backend.Backend     = (*Log)(nil)
	_ backend.BatchWriter = (*Log)(nil)
	_ backend.Follower    = (*Log)(nil)
	_ backend.Pruner      = (*Log)(nil)
	_ backend.Stater      = (*Log)(nil)
	_ wire.Framer         = (*Log)(nil)
)

// New returns an empty Log.
func New(opts Options) *Log {
	l := &Log{opts: opts.withDefaults()}
	l.seq = sequencer.New(lookup{l})
	return l
}

// Close lets go of the facts, and ends what reads them with backend.ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		l.chunks, l.seq, l.scratch = nil, nil, nil
		l.wake()
	}
	return nil
}

// Stats says what the log holds. Nothing of it is durable.
func (l *Log) Stats(ctx context.Context) (backend.Stats, error) {
	if err := ctx.Err(); err != nil {
		return backend.Stats{}, fmt.Errorf("memory: stats: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return backend.Stats{}, errClosed("stats")
	}
	s := backend.Stats{LastSeq: l.seq.Next() - 1, Facts: l.facts, Bytes: l.bytes}
	if len(l.chunks) > 0 {
		s.FirstSeq = l.chunks[0].first
	}
	return s, nil
}

// wake wakes those who wait for more to read. The caller holds mu.
func (l *Log) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// at returns the index of the chunk that has the first fact with a seq above seq. The caller
// holds mu.
func (l *Log) at(seq uint64) int {
	n := len(l.chunks)
	if n > 0 && l.chunks[n-1].first <= seq { // most often it is the tail that is read
		if l.chunks[n-1].last <= seq {
			return n
		}
		return n - 1
	}
	return sort.Search(n, func(i int) bool { return l.chunks[i].last > seq })
}

// lookup is the log as its sequencer sees it, which is used under the log's lock.
type lookup struct{ log *Log }

// Fact implements sequencer.Log.
func (l lookup) Fact(seq uint64) (backend.Fact, bool, error) {
	if i := l.log.at(seq - 1); i < len(l.log.chunks) {
		f, ok, err := l.log.chunks[i].fact(seq)
		if ok {
			f = own(f)
		}
		return f, ok, err
	}
	return backend.Fact{}, false, nil
}

func errClosed(attempt string) error {
	return fmt.Errorf("memory: %s: %w", attempt, backend.ErrClosed)
}
