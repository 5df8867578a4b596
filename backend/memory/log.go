// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/ctxsync"
	"github.com/igniter-store/igniter/wire"
)

// A Log is a backend.Log in RAM. Its methods may be called concurrently.
type Log struct {
	opts   Options
	id     backend.LogID
	change ctxsync.Signal // when there is more to read, or the log is closed

	// mu guards the fields below it. It is held only while a batch is numbered and copied.
	mu      sync.Mutex
	seq     *sequencer.Sequencer
	chunks  []*chunk       // only the last one is changed in place, see replace
	sealed  bool           // the last chunk takes no more frames
	found   []backend.Fact // of the frame that method fact read last
	bodies  [][]byte       // of the facts of one frame, while it is built
	scratch []byte         // the bodies' memory
	frame   []byte
	closed  bool

	horizons map[string]backend.Horizon // by store; nil: none. Replaced as a whole
	prunings int                        // how often horizons was replaced

	compacting sync.Mutex // held while chunks are replaced; taken before mu
}

var (
	_ backend.Log = (*Log)(nil)
	_ wire.Framer = (*Log)(nil)
)

// New returns an empty Log with a new identity.
func New(opts Options) *Log {
	l := &Log{opts: opts.withDefaults(), id: backend.NewLogID()}
	l.seq = sequencer.New(l.fact)
	return l
}

// Close drops the facts, and ends the loops over the log with backend.ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.chunks, l.seq, l.found, l.bodies, l.scratch, l.frame = nil, nil, nil, nil, nil, nil
	l.mu.Unlock()
	l.change.Notify()
	return nil
}

// Features implements backend.Log.
func (l *Log) Features() backend.Features {
	return backend.Features{Batches: true, Prune: true, AllIDs: true, MaxFrame: l.opts.MaxFrame}
}

// Stats implements backend.Log. Nothing is durable.
func (l *Log) Stats(ctx context.Context) (backend.Stats, error) {
	if err := ctx.Err(); err != nil {
		return backend.Stats{}, fmt.Errorf("memory: stats: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return backend.Stats{}, fmt.Errorf("memory: stats: %w", backend.ErrClosed)
	}
	s := backend.Stats{Log: l.id, LastSeq: l.last(), LastTime: l.seq.Time(), Horizons: maps.Clone(l.horizons)}
	for _, c := range l.chunks {
		s.Facts += uint64(c.facts)
		s.Bytes += uint64(len(c.frames))
	}
	if len(l.chunks) > 0 {
		s.FirstSeq = l.chunks[0].first
	}
	return s, nil
}

// last returns the highest seq ever acknowledged. The caller holds mu.
func (l *Log) last() uint64 { return l.seq.Next() - 1 }

// at returns the index of the chunk that has the first fact with a seq above seq. The caller
// holds mu.
func (l *Log) at(seq uint64) int {
	n := len(l.chunks)
	if n > 0 && l.chunks[n-1].first <= seq { // most reads are at the tail
		if l.chunks[n-1].last <= seq {
			return n
		}
		return n - 1
	}
	return sort.Search(n, func(i int) bool { return l.chunks[i].last > seq })
}

// fact returns the fact at seq, for the sequencer. It keeps the facts of the last frame, because a batch that is written
// again looks up its facts one after the other. The caller holds mu.
func (l *Log) fact(seq uint64) (backend.Fact, bool, error) {
	if n := len(l.found); n == 0 || seq < l.found[0].Seq || seq > l.found[n-1].Seq {
		i := l.at(seq - 1)
		if i == len(l.chunks) {
			return backend.Fact{}, false, nil
		}
		c := l.chunks[i]
		found, err := wire.ParseGroup(nil, c.body(c.after(seq-1)))
		if err != nil {
			return backend.Fact{}, false, err
		}
		l.found = found
	}
	i, ok := slices.BinarySearchFunc(l.found, seq, func(f backend.Fact, seq uint64) int { return cmp.Compare(f.Seq, seq) })
	if !ok {
		return backend.Fact{}, false, nil
	}
	return l.found[i].Clone(), true, nil
}
