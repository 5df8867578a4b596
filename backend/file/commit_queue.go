// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/ctxsync"
	"github.com/igniter-store/igniter/wire"
)

// A write is a list of facts to be written, or a task that must not run at the same time as writes.
type write struct {
	facts   []backend.Fact // prepared; the committer replaces them by the facts that the log holds
	encoded []wire.EncodedFact
	expect  []backend.Expect
	now     time.Time
	size    int // about the number of bytes of the values

	task func() error // nil for a write of facts

	leans bool   // its result depends on facts of the same frame, which are not written yet
	first uint64 // the seq of its first new fact; 0 if no fact is new
	err   error
	done  chan struct{} // receives a value once the write is answered
}

var writes = sync.Pool{New: func() any { return &write{done: make(chan struct{}, 1)} }}

// encode completes a write whose facts are set.
func (w *write) encode(now time.Time) {
	w.size, w.now = 0, wire.Time(now)
	for len(w.encoded) < len(w.facts) {
		w.encoded = append(w.encoded, wire.EncodedFact{})
	}
	for i := range w.facts {
		w.size += sequencer.Size(&w.facts[i])
		w.encoded[i].Encode(&w.facts[i])
	}
}

// Limits for a write that keeps its memory for the next one.
const (
	maxKeptFacts = 1 << 10
	maxKeptBytes = 1 << 20
)

// release returns the write to the pool. The committer must have answered it, or never have seen it.
func (w *write) release() {
	if len(w.encoded) > maxKeptFacts || w.size > maxKeptBytes {
		w.encoded = nil
	}
	clear(w.facts)
	w.facts, w.expect, w.err = w.facts[:0], nil, nil
	writes.Put(w)
}

// WriteFact implements backend.Backend. If ctx ends while the fact is being written, WriteFact returns at once, and the
// fact may still be written.
func (l *Log) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	prepared, err := sequencer.Prepare(f, l.opts.MaxFrame)
	if err == nil {
		err = l.refuses()
	}
	if err == nil {
		w := writes.Get().(*write)
		w.facts = append(w.facts[:0], prepared)
		w.encode(l.opts.Now())
		if err = l.submit(ctx, w); err == nil {
			err = l.wait(ctx, w)
		}
		if err == nil {
			f = w.facts[0]
			w.release()
			return f, nil
		}
	}
	return backend.Fact{}, fmt.Errorf("file: write fact %q: %w", f.ID, err)
}

// Write implements backend.Log. It treats ctx like WriteFact.
func (l *Log) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	all := make([]backend.Written, len(batches))
	waiting := make([]*write, 0, len(batches))
	for i, b := range batches {
		facts, err := sequencer.PrepareBatch(b, l.opts.MaxFrame)
		if err == nil {
			err = l.refuses()
		}
		if err != nil {
			all[i].Err = err
			continue
		}
		w := writes.Get().(*write)
		w.facts, w.expect = facts, slices.Clone(b.Expect)
		w.encode(l.opts.Now())
		waiting = append(waiting, w)
	}
	err := l.submit(ctx, waiting...)
	for i := range all {
		x := &all[i]
		if x.Err == nil {
			w := waiting[0]
			waiting = waiting[1:]
			if x.Err = err; err == nil {
				x.Err = l.wait(ctx, w)
			}
			if x.Err == nil {
				x.Facts, x.First = w.facts, w.first
				w.facts = nil // the caller owns them now
				w.release()
			}
		}
		if x.Err != nil {
			x.Err = fmt.Errorf("file: write batch of %d facts: %w", len(batches[i].Facts), x.Err)
		}
	}
	return all
}

// do runs a task on the committer, between two groups.
func (l *Log) do(ctx context.Context, task func() error) error {
	w := &write{task: task, done: make(chan struct{}, 1)}
	if err := l.submit(ctx, w); err != nil {
		return err
	}
	return l.wait(ctx, w)
}

// submit hands writes to the committer, which answers each.
func (l *Log) submit(ctx context.Context, all ...*write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return backend.ErrClosed
	}
	l.queue = append(l.queue, all...)
	lead := !l.committing && len(all) > 0
	l.committing = l.committing || lead
	l.mu.Unlock()
	switch patient := ctxsync.IsPatient(ctx); {
	case lead && (patient || l.opts.Sync != SyncAlways && all[0].task == nil):
		l.commitOwn(patient) // the caller would wait for the same work anyway
	case lead:
		go l.commit()
	}
	return nil
}

// wait waits for the answer to a write, or for the end of ctx. In that case the committer may still have w.
func (l *Log) wait(ctx context.Context, w *write) error {
	select {
	case <-w.done:
		return w.err
	default:
	}
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
