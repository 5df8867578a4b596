// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/igniter-store/igniter/backend"
)

// A harness runs one case: it has the case's test, the place of its log, and the tasks and logs that the case started. Its
// methods fail the case if they can't do their work. Only start, put, putBatch, acknowledge and Context may be called by
// other goroutines than the case's own.
type harness struct {
	*reporter
	ctx    context.Context // of the whole case, as testing.T has one
	opener Opener
	opts   Options
	needs  feature
	dir    string

	acked  atomic.Uint64 // the highest acknowledged seq of the log in dir that the harness knows
	opened []backend.Log
	mu     sync.Mutex
	tasks  []*task
}

// A task is a goroutine of a case.
type task struct {
	done chan struct{}
	err  error // once done is closed
}

// Context returns a context that ends when the case has taken too long.
func (h *harness) Context() context.Context { return h.ctx }

// newLog makes the next call of open open another, empty log.
func (h *harness) newLog() {
	h.dir = h.TempDir()
	h.acked.Store(0)
}

// open opens the case's log.
func (h *harness) open() backend.Log {
	h.Helper()
	b := h.opener(h, h.dir)
	if b == nil {
		h.Fatalf("the Opener returned nil")
	}
	log := backend.Complete(b)
	h.opened = append(h.opened, log)
	if len(h.opened) == 1 {
		h.checkFeatures(log, h.needs)
	}
	return log
}

// checkFeatures fails the case if the log's Features and the Options do not agree about the features.
func (h *harness) checkFeatures(log backend.Log, features feature) backend.Features {
	h.Helper()
	f := log.Features()
	for _, x := range h.opts.list() {
		if x.has == nil || features&x.feature == 0 {
			continue
		}
		switch has := x.has(&f); {
		case !has && !x.set:
			h.Fatalf("Features are %+v: the backend lacks what the case needs (if it is meant to, set Options.%s)", f, x.option)
		case has && x.set:
			h.Fatalf("Features are %+v: the backend has what Options.%s excuses it from", f, x.option)
		}
	}
	return f
}

// reopen closes b and opens its log again.
func (h *harness) reopen(b backend.Log) backend.Log {
	h.Helper()
	h.close(b)
	return h.open()
}

func (h *harness) close(b backend.Log) {
	h.Helper()
	if err := b.Close(); err != nil {
		h.Fatalf("Close: %v", err)
	}
}

// end waits for all tasks that the case started, and closes all logs that it opened.
func (h *harness) end(cancel context.CancelFunc) {
	cancel()
	h.mu.Lock()
	tasks := h.tasks
	h.mu.Unlock()
	for _, t := range tasks {
		<-t.done
	}
	for _, b := range h.opened {
		if err := b.Close(); err != nil {
			h.Errorf("Close: %v", err)
		}
	}
}

// start runs f in its own goroutine. The case does not end before it.
func (h *harness) start(f func() error) *task {
	t := &task{done: make(chan struct{})}
	h.mu.Lock()
	h.tasks = append(h.tasks, t)
	h.mu.Unlock()
	go func() {
		defer close(t.done)
		defer func() {
			if p := recover(); p != nil {
				t.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		t.err = f()
	}()
	return t
}

// join waits for the tasks, and fails the case if one reports an error.
func (h *harness) join(tasks ...*task) {
	h.Helper()
	for _, t := range tasks {
		<-t.done
	}
	for _, t := range tasks {
		if t.err != nil {
			h.Errorf("%v", t.err)
		}
	}
	if h.Failed() {
		h.FailNow()
	}
}

// acknowledge notes that the log has acknowledged facts.
func (h *harness) acknowledge(facts ...backend.Fact) {
	for _, f := range facts {
		for acked := h.acked.Load(); f.Seq > acked && !h.acked.CompareAndSwap(acked, f.Seq); {
			acked = h.acked.Load()
		}
	}
}

// put is WriteFact, for tasks.
func (h *harness) put(b backend.Log, f backend.Fact) (backend.Fact, error) {
	got, err := b.WriteFact(h.ctx, f)
	h.acknowledge(got)
	return got, err
}

// putBatch is Write of one batch, for tasks.
func (h *harness) putBatch(b backend.Log, batch backend.Batch) ([]backend.Fact, error) {
	return h.putBatchCtx(h.ctx, b, batch)
}

func (h *harness) putBatchCtx(ctx context.Context, b backend.Log, batch backend.Batch) ([]backend.Fact, error) {
	all := b.Write(ctx, batch)
	if len(all) != 1 {
		return nil, fmt.Errorf("a Write of one batch returned %d verdicts", len(all))
	}
	w := all[0]
	if w.Err != nil && (len(w.Facts) > 0 || w.First != 0) {
		return nil, fmt.Errorf("the error %q came with %d facts and First %d", w.Err, len(w.Facts), w.First)
	}
	h.acknowledge(w.Facts...)
	return w.Facts, w.Err
}

// write writes facts one after the other, and returns them as b does.
func (h *harness) write(b backend.Log, facts ...backend.Fact) []backend.Fact {
	h.Helper()
	held := make([]backend.Fact, len(facts))
	for i, f := range facts {
		var err error
		if held[i], err = h.put(b, f); err != nil {
			h.Fatalf("WriteFact of %q: %v", f.ID, err)
		}
	}
	return held
}

// batch writes facts as one batch, and returns them as b does.
func (h *harness) batch(b backend.Log, facts []backend.Fact, expect ...backend.Expect) []backend.Fact {
	h.Helper()
	held, err := h.putBatch(b, backend.Batch{Facts: facts, Expect: expect})
	if err != nil {
		h.Fatalf("Write of a batch: %v", err)
	}
	if len(held) != len(facts) {
		h.Fatalf("Write of a batch of %d facts returned %d", len(facts), len(held))
	}
	return held
}

// replay returns the facts of b after the seq after, of the given stores or, without any, of all.
func (h *harness) replay(b backend.Log, after uint64, stores ...string) []backend.Fact {
	h.Helper()
	return factsOf(h.replayPages(b, from(after, stores...)))
}

// replayPages returns the pages of a Replay, the last of which tells how far the log was read.
func (h *harness) replayPages(b backend.Log, r backend.Range) []backend.Page {
	h.Helper()
	acked := h.acked.Load()
	pages, err := collectPages(replayOf(h.ctx, b, r))
	if err != nil {
		h.Fatalf("Replay %s: %v", rangeText(r), err)
	}
	if err := reached(pages, r, acked); err != nil {
		h.Fatalf("Replay %s: %v", rangeText(r), err)
	}
	return pages
}

func (h *harness) snapshot(b backend.Log, through uint64) {
	h.Helper()
	if err := b.WriteSnapshot(h.ctx, through); err != nil {
		h.Fatalf("WriteSnapshot through %d: %v", through, err)
	}
}

func (h *harness) prune(b backend.Log, seqs ...uint64) backend.PruneReport {
	h.Helper()
	report, err := b.Prune(h.ctx, slices.Values(seqs), backend.Horizon{})
	if err != nil {
		h.Fatalf("Prune of %d: %v", seqs, err)
	}
	return report
}

func (h *harness) stats(b backend.Log) backend.Stats {
	h.Helper()
	s, err := b.Stats(h.ctx)
	if err != nil {
		h.Fatalf("Stats: %v", err)
	}
	return s
}

// wantLog fails the case unless b's log is want.
func (h *harness) wantLog(b backend.Log, want []backend.Fact) {
	h.Helper()
	h.wantSame("the log", h.replay(b, 0), want)
}

// wantSame fails the case unless got and want are the same facts, in the same order.
func (h *harness) wantSame(what string, got, want []backend.Fact) {
	h.Helper()
	if d := diff(got, want); d != "" {
		h.Fatalf("%s is not as it should be (-want +got):\n%s", what, d)
	}
}

// wantError fails the case unless err is target.
func (h *harness) wantError(what string, err, target error) {
	h.Helper()
	if !errors.Is(err, target) {
		h.Fatalf("%s: error %v, want %v", what, err, target)
	}
}
