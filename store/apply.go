package store

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// Facts are applied in the order of the log, whoever brings them: the one who follows the log, who
// sees every fact, or a writer, who knows at once that his fact is next if its seq is the one after
// head. A writer whose fact is not next leaves it with the waiters, and the fact before it, once
// applied, takes it along.

// A waiter waits until the log is applied through seq.
type waiter struct {
	seq  uint64
	fact *backend.Fact // the fact at seq, if known
	done chan error    // has room for one
}

// waiters is a heap by seq.
type waiters []waiter

func (w waiters) Len() int      { return len(w) }
func (w waiters) Swap(i, j int) { w[i], w[j] = w[j], w[i] }
func (w waiters) Less(i, j int) bool {
	// Of those with the same seq, the one that brings the fact comes first.
	return w[i].seq < w[j].seq || w[i].seq == w[j].seq && w[i].fact != nil && w[j].fact == nil
}
func (w *waiters) Push(x any) { *w = append(*w, x.(waiter)) }
func (w *waiters) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	(*w)[last] = waiter{}
	*w = (*w)[:last]
	return x
}

// observe applies facts, which are the next ones of the log after head, but for those that were
// applied before.
func (e *Engine) observe(facts ...backend.Fact) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range facts {
		e.overtake(facts[i].Seq - 1)
		if facts[i].Seq > e.Head() && e.failed == nil {
			e.apply(&facts[i])
		}
	}
	e.release()
}

// skip moves head on to a seq through which the log was read: its last facts may not be there any more,
// or not be for this engine to see.
func (e *Engine) skip(through uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.overtake(through)
	e.head.Store(max(e.Head(), through))
	e.release()
}

// overtake applies the waiters' facts through a seq through which the log was read, which it did not
// show: those of stores that this process may write and not read. The caller holds mu.
func (e *Engine) overtake(through uint64) {
	for len(e.waiting) > 0 && e.waiting[0].seq <= through && e.failed == nil {
		w := heap.Pop(&e.waiting).(waiter)
		if w.fact != nil && w.seq > e.Head() {
			e.apply(w.fact)
		}
		e.head.Store(max(e.Head(), w.seq))
		if w.done != nil {
			w.done <- nil
		}
	}
}

// acknowledged applies facts that the log has taken in, in the order of their seqs, or waits until
// that is done. After an error of ctx they may be applied later.
func (e *Engine) acknowledged(ctx context.Context, facts []backend.Fact) error {
	e.mu.Lock()
	last := uint64(0)
	for i := range facts {
		f := &facts[i]
		last = max(last, f.Seq)
		switch head := e.Head(); {
		case e.failed != nil:
		case f.Seq == head+1:
			e.apply(f)
		case f.Seq > head:
			kept := own(*f)
			heap.Push(&e.waiting, waiter{seq: f.Seq, fact: &kept})
		}
	}
	e.release()
	e.mu.Unlock()
	return e.shown(ctx, last)
}

// patience is how long a writer waits while nothing comes until it looks for the facts before its own.
const patience = 500 * time.Millisecond

// shown waits until the engine shows the log through seq, where a fact of its own is. Facts before that may
// never come, since this process may not read their stores: now and then it looks in the log what there is
// to see.
func (e *Engine) shown(ctx context.Context, seq uint64) error {
	if seq <= e.Head() {
		return nil
	}
	ticks := time.NewTicker(patience)
	defer ticks.Stop()
	return e.wait(ctx, seq, ticks.C)
}

// WaitFor waits until the engine shows the log through seq. It ends with ctx's error, or with the
// reason why the engine no longer follows the log.
func (e *Engine) WaitFor(ctx context.Context, seq uint64) error {
	if seq <= e.Head() {
		return nil
	}
	return e.wait(ctx, seq, nil)
}

// wait is WaitFor, and looks in the log where nothing has come between two ticks.
func (e *Engine) wait(ctx context.Context, seq uint64, ticks <-chan time.Time) error {
	done, head := make(chan error, 1), e.Head()
	e.mu.Lock()
	switch {
	case seq <= e.Head():
		done <- nil
	case e.failed != nil:
		done <- e.failed
	default:
		heap.Push(&e.waiting, waiter{seq: seq, done: done})
	}
	e.mu.Unlock()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("store: wait for seq %d: %w", seq, err)
			}
			return nil
		case <-ctx.Done():
			e.mu.Lock()
			defer e.mu.Unlock()
			if i := slices.IndexFunc(e.waiting, func(w waiter) bool { return w.done == done }); i >= 0 {
				heap.Remove(&e.waiting, i)
			}
			return fmt.Errorf("store: wait for seq %d: %w", seq, ctx.Err())
		case <-ticks:
			if last := head; last == e.Head() {
				e.look(ctx)
			}
			head = e.Head()
		}
	}
}

// look shows what the log holds, for those who have waited for long. One does so for all; where that
// fails, they wait on.
func (e *Engine) look(ctx context.Context) {
	if !e.looking.TryLock() {
		return
	}
	defer e.looking.Unlock()
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_ = e.Sync(short)
}

// own returns f with strings and bytes of its own, for one that is kept after a call has returned.
func own(f backend.Fact) backend.Fact {
	f = f.Clone()
	for _, s := range []*string{&f.ID, &f.Store, &f.Key, &f.ValueHash, &f.Causation} {
		*s = strings.Clone(*s)
	}
	return f
}

// release applies the waiters' facts that are next, and lets those go whose time has come. The
// caller holds mu.
func (e *Engine) release() {
	for len(e.waiting) > 0 && e.failed == nil {
		w := e.waiting[0]
		if w.seq == e.Head()+1 && w.fact != nil {
			e.apply(w.fact)
		}
		if w.seq > e.Head() {
			return
		}
		heap.Pop(&e.waiting)
		if w.done != nil {
			w.done <- nil
		}
	}
}

// fail ends what waits, and remembers why. The first reason stays.
func (e *Engine) fail(reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failLocked(reason)
}

func (e *Engine) failLocked(reason error) {
	if e.failed == nil {
		e.failed = reason
		e.ended.Store(true)
	}
	for _, w := range e.waiting {
		if w.done != nil {
			w.done <- e.failed
		}
	}
	e.waiting = nil
}

// apply adds f to its namespace and moves head on. A fact that breaks the limits of facts, which
// only a broken backend gives out, ends the engine instead. The caller holds mu, and calls release
// after it.
func (e *Engine) apply(f *backend.Fact) {
	if len(f.ID) > backend.MaxIDLen || len(f.Causation) > backend.MaxIDLen || len(f.ValueHash) > backend.MaxHashLen ||
		len(f.Store) > backend.MaxStoreLen || len(f.Key) > backend.MaxKeyLen || len(f.Value) == 0 {
		e.failLocked(fmt.Errorf("store: seq %d of the log is no valid fact, which is a mistake of its backend: %w", f.Seq, backend.ErrCorrupt))
		return
	}
	if e.Loaded(f.Store) && (e.keys == nil || slices.Contains(e.keys, f.Key)) {
		s := e.space(f.Store)
		s.add(f)
		if e.opts.KeepVersions > 0 {
			e.trim(s, f)
		}
	}
	e.arriving.add(f)
	if f.Store == CompactionStore {
		if err := e.compacted(f); err != nil {
			e.opts.Logger.Warn("a receipt is passed over", zap.Error(err), zap.Uint64("seq", f.Seq))
		}
	}
	e.head.Store(f.Seq)
}

// space returns a store's namespace, a new one if need be. The caller holds mu.
func (e *Engine) space(store string) *namespace {
	s := e.namespace(store)
	if s == nil {
		s = newNamespace(strings.Clone(store))
		e.spaces.Store(s.name, s)
	}
	return s
}
