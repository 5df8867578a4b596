package file

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// A write is facts to be written, or a task that must not run beside writes.
type write struct {
	facts  []backend.Fact // normalized; the committer replaces them with what the log holds
	drafts []wire.Draft
	expect []backend.Expect
	now    time.Time
	size   int // about how many bytes the values have

	task func() error // nil for a write of facts

	leans bool // whether it was refused or not depends on facts of the same frame, which are not written yet
	err   error
	done  chan struct{} // receives a value once facts and err are set
}

var writes = sync.Pool{New: func() any { return &write{done: make(chan struct{}, 1)} }}

// release lets the write be used again. The committer must have answered it, or never have seen it.
func (w *write) release() {
	clear(w.facts)
	w.facts, w.expect, w.task, w.err = w.facts[:0], nil, nil, nil
	writes.Put(w)
}

// WriteFact implements backend.Backend. If ctx ends while the fact is being written, it returns at once, and
// the fact may still be written.
func (l *Log) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	w := writes.Get().(*write)
	w.facts = append(w.facts[:0], f)
	held, err := l.write(ctx, w, f.Validate)
	if err != nil {
		return backend.Fact{}, fmt.Errorf("file: write fact %q: %w", f.ID, err)
	}
	f = held[0]
	w.release()
	return f, nil
}

// WriteBatch implements backend.BatchWriter. It treats ctx like WriteFact.
func (l *Log) WriteBatch(ctx context.Context, b backend.Batch) ([]backend.Fact, error) {
	w := writes.Get().(*write)
	w.facts = slices.Clone(b.Facts)
	w.expect = slices.Clone(b.Expect)
	held, err := l.write(ctx, w, b.Validate)
	if err != nil {
		return nil, fmt.Errorf("file: write batch of %d facts: %w", len(b.Facts), err)
	}
	w.facts = nil // the caller's now
	w.release()
	return held, nil
}

// write checks, encodes and submits w, and returns its facts as the log holds them. After an error the
// caller must not use w any more.
func (l *Log) write(ctx context.Context, w *write, validate func() error) ([]backend.Fact, error) {
	w.size = 0
	for i := range w.facts {
		size := sequencer.Size(&w.facts[i])
		if size > l.opts.MaxFrame { // the committer checks whether a batch fits, since the log may hold a part of it
			return nil, l.tooLarge()
		}
		w.size += size
	}
	if err := validate(); err != nil {
		return nil, err
	}
	for len(w.drafts) < len(w.facts) {
		w.drafts = append(w.drafts, wire.Draft{})
	}
	for i := range w.facts {
		var err error
		if w.facts[i], err = sequencer.Normalize(w.facts[i]); err != nil {
			return nil, err
		}
		w.drafts[i].Encode(&w.facts[i])
	}
	w.now = wire.Time(l.opts.Now())
	if err := l.submit(ctx, w); err != nil {
		return nil, err
	}
	return w.facts, nil
}

func (l *Log) tooLarge() error {
	return fmt.Errorf("%w: the limit is a frame of %d bytes", backend.ErrTooLarge, l.opts.MaxFrame)
}

// do runs a task on the committer, between two groups.
func (l *Log) do(ctx context.Context, task func() error) error {
	return l.submit(ctx, &write{task: task, done: make(chan struct{}, 1)})
}

// submit hands w to the committer, and waits for the answer or the end of ctx. In that case, the committer
// may still have w.
func (l *Log) submit(ctx context.Context, w *write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return backend.ErrClosed
	}
	l.queue = append(l.queue, w)
	lead := !l.committing
	l.committing = true
	l.mu.Unlock()
	switch {
	case lead && (ctx.Done() == nil || l.opts.Sync != SyncAlways && w.task == nil):
		l.commitOwn(ctx.Done() == nil) // does nothing that the caller would not wait for
	case lead:
		go l.commit()
	}
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
