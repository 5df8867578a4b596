// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/igniter-store/igniter/backend"
)

// A list is a backend of four methods: a slice of batches. Others can add to it without its knowledge.
type list struct {
	mu       sync.Mutex
	batches  [][]backend.Fact
	closed   bool
	horizons map[string]backend.Horizon
	replays  atomic.Int64 // loops that were begun
}

// add adds a batch whose facts have the given seqs.
func (l *list) add(store string, seqs ...uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var batch []backend.Fact
	for _, seq := range seqs {
		batch = append(batch, backend.Fact{Seq: seq, Store: store, Key: "k", Value: []byte("1")})
	}
	l.batches = append(l.batches, batch)
}

// addNext adds a fact to store "s", after the last.
func (l *list) addNext() {
	l.mu.Lock()
	seq := l.last() + 1
	l.mu.Unlock()
	l.add("s", seq)
}

// last returns the seq of the last fact. The lock is held.
func (l *list) last() uint64 {
	if len(l.batches) == 0 {
		return 0
	}
	batch := l.batches[len(l.batches)-1]
	return batch[len(batch)-1].Seq
}

func (l *list) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return backend.Fact{}, backend.ErrClosed
	case ctx.Err() != nil:
		return backend.Fact{}, ctx.Err()
	}
	if err := f.Validate(); err != nil {
		return backend.Fact{}, err
	}
	f.Seq = l.last() + 1
	l.batches = append(l.batches, []backend.Fact{f.Clone()})
	return f.Clone(), nil
}

func (l *list) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		l.mu.Lock()
		batches, closed, s := l.batches, l.closed, backend.Stats{LastSeq: l.last(), Horizons: l.horizons}
		l.replays.Add(1)
		l.mu.Unlock()
		p := backend.NewPager(backend.LogID{}, r, yield)
		if closed {
			p.Fail(backend.ErrClosed)
			return
		}
		if _, err := s.Resume(r.After); err != nil {
			p.Fail(err)
			return
		}
		p.Tell(s.Horizons)
		for _, batch := range batches {
			if ctx.Err() != nil {
				p.Fail(ctx.Err())
				return
			}
			if !p.Add(batch...) {
				return
			}
		}
		p.Flush(s.LastSeq)
	}
}

func (l *list) WriteSnapshot(context.Context, uint64) error { return nil }

func (l *list) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}
