// SPDX-License-Identifier: Apache-2.0

package store

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A waiter waits until the head reaches last. A waiter with facts is a write whose facts are all new: the write is
// applied as a whole once the head is right before it, unless its page is applied first.
type waiter struct {
	next  uint64         // the head at which to look at it again: last, or the seq before its facts
	last  uint64         // the seq that it waits for
	facts []backend.Fact // of the write; nil: it only waits
	done  chan error     // has room for one
}

// waiters is a heap by next.
type waiters []*waiter

func (w waiters) Len() int           { return len(w) }
func (w waiters) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w waiters) Less(i, j int) bool { return w[i].next < w[j].next }
func (w *waiters) Push(x any)        { *w = append(*w, x.(*waiter)) }
func (w *waiters) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	return x
}

// WaitFor waits until the engine shows the log through seq. It returns ctx's error if ctx ends first, and the engine's
// [Engine.Err] if the engine stops following the log.
func (e *Engine) WaitFor(ctx context.Context, seq uint64) error {
	if seq <= e.Head() {
		return nil
	}
	if e.reentered() {
		return errReentered
	}
	return e.wait(ctx, waiter{next: seq, last: seq})
}

// acknowledged waits until the engine shows a write that the log has acknowledged. Facts of stores that this
// process may write but not read do not show; a write of only such facts is done.
func (e *Engine) acknowledged(ctx context.Context, w backend.Written) error {
	facts, features := w.Facts, e.log.Features()
	if readable := features.Stores; readable != nil {
		facts = slices.DeleteFunc(slices.Clone(facts), func(f backend.Fact) bool { return !slices.Contains(readable, f.Store) })
	}
	if len(facts) == 0 {
		return nil
	}
	first, last := w.Facts[0].Seq, uint64(0)
	for i := range w.Facts {
		first, last = min(first, w.Facts[i].Seq), max(last, w.Facts[i].Seq)
	}
	if w.First == 0 || first < w.First || !e.readable().same(features) { // some facts are old, or that is not known, or the access is changing
		return e.WaitFor(ctx, last)
	}
	return e.wait(ctx, waiter{next: first - 1, last: last, facts: facts})
}

// wait waits until the head reaches w.last.
func (e *Engine) wait(ctx context.Context, w waiter) error {
	clock := e.opts.Now()
	e.mu.Lock()
	if e.reached(&w, clock) {
		err := e.outcome(&w)
		e.release(clock)
		e.mu.Unlock()
		return err
	}
	queued := &waiter{w.next, w.last, w.facts, make(chan error, 1)}
	heap.Push(&e.waiting, queued)
	e.mu.Unlock()
	select {
	case e.wanted <- struct{}{}: // it waits for what others write
	default:
	}
	select {
	case err := <-queued.done:
		return err
	case <-ctx.Done():
		e.mu.Lock()
		defer e.mu.Unlock()
		if i := slices.Index(e.waiting, queued); i >= 0 {
			heap.Remove(&e.waiting, i) // the page of its facts will come
		}
		return fmt.Errorf("store: wait for seq %d: %w", w.last, ctx.Err())
	}
}

// reached applies the facts of w if they are next, and reports whether w need not wait any longer. The caller
// holds mu.
func (e *Engine) reached(w *waiter, clock time.Time) bool {
	if head := e.Head(); e.failed == nil && head >= w.next {
		if head == w.next && w.facts != nil {
			e.apply(w.facts, w.last, clock)
		}
		w.next, w.facts = w.last, nil
	}
	return e.failed != nil || e.Head() >= w.last
}

// outcome returns nil if the head has reached w.last, otherwise the reason for which the engine has ended.
func (e *Engine) outcome(w *waiter) error {
	if e.Head() >= w.last {
		return nil
	}
	return fmt.Errorf("store: wait for seq %d: %w", w.last, e.failed)
}

// release wakes the waiters that need not wait any longer. The caller holds mu.
func (e *Engine) release(clock time.Time) {
	for len(e.waiting) > 0 && e.waiting[0].next <= e.Head() {
		w := heap.Pop(&e.waiting).(*waiter)
		if e.reached(w, clock) {
			w.done <- e.outcome(w)
		} else {
			heap.Push(&e.waiting, w)
		}
	}
}
