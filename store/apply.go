// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// The log is applied in its order and page by page. The facts of a page are added to their namespaces, where readers do
// not look beyond the head; then the head moves over all of them at once. Pages come from Follow, and from a Replay
// that begins at the head. A writer applies its own batch as a whole if the batch comes next after the head.

// applyPage applies a page that begins at the head or before it. If the engine has ended, applyPage returns the reason.
func (e *Engine) applyPage(p backend.Page) error {
	clock := e.opts.Now() // without the lock, since it is the app's
	e.mu.Lock()
	defer e.mu.Unlock()
	e.raise(p.Horizons, e.Head()) // before readers see the page, which may lack what was pruned
	e.apply(p.Facts, p.Through.Seq, clock)
	if e.failed == nil && p.Through.Seq >= e.cursor().Seq {
		at := p.Through
		e.at.Store(&at)
	}
	e.release(clock)
	return e.failed
}

// apply shows facts, which are whole batches and all facts that the log has for this engine between the head and
// through. clock is the time of Options.Now. apply skips facts at or before the head. A fact that breaks the limits of
// facts, which only a broken backend yields, ends the engine, and no fact of the page is shown. The caller holds mu,
// and calls release afterwards.
func (e *Engine) apply(facts []backend.Fact, through uint64, clock time.Time) {
	if e.failed != nil {
		return
	}
	last := e.Head()
	var receipts []*backend.Fact
	var full []string // stores to trim
	for i := range facts {
		f := &facts[i]
		if f.Seq <= last {
			continue
		}
		last = f.Seq
		if f.TransactionTime.After(e.newest) {
			e.newest = f.TransactionTime
		}
		if len(f.ID) > backend.MaxIDLen || len(f.Causation) > backend.MaxIDLen || len(f.ValueHash) > backend.MaxHashLen || len(f.By) > backend.MaxByLen ||
			len(f.Store) > backend.MaxStoreLen || len(f.Key) > backend.MaxKeyLen || len(f.Value) == 0 {
			e.failLocked(fmt.Errorf("store: seq %d of the log is not a valid fact, which is a bug of its backend: %w", f.Seq, backend.ErrCorrupt))
			return
		}
		if e.Loaded(f.Store) && (e.keys == nil || slices.Contains(e.keys, f.Key)) {
			s := e.space(f.Store)
			s.add(f)
			if e.full(s, f) && !slices.Contains(full, s.name) {
				full = append(full, s.name)
			}
		}
		e.buffer.add(f)
		if f.Store == CompactionStore {
			receipts = append(receipts, f)
		}
	}
	if last = max(last, through); last > e.Head() {
		e.noteAhead(clock)
		e.head.Store(last)
	}
	if len(e.awaited) > 0 {
		for i := range facts {
			e.arrived(&facts[i])
		}
	}
	for _, f := range receipts {
		if err := e.compacted(f); err != nil {
			e.opts.Logger.Warn("ignoring a receipt of a compaction", zap.Error(err), zap.Uint64("seq", f.Seq))
		}
	}
	for _, store := range full {
		e.trim(e.namespace(store))
	}
}

// space returns a store's namespace, a new one if need be. The caller holds mu.
func (e *Engine) space(store string) *namespace {
	s := e.namespace(store)
	if s == nil {
		s = newNamespace(strings.Clone(store))
		e.spaces.put(s)
	}
	return s
}

// replace makes s the namespace of its store. The caller holds mu, and the head has reached s.since.
func (e *Engine) replace(s *namespace) { e.spaces.put(s) }

// check returns err, and ends the engine if err says that the log is not the one that the engine has read.
func (e *Engine) check(err error) error {
	if errors.Is(err, backend.ErrDiverged) {
		e.fail(fmt.Errorf("store: the log is no longer followed: %w", err))
	}
	return err
}

// fail ends the engine and everything that waits for the log. The first reason is kept.
func (e *Engine) fail(reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failLocked(reason)
}

func (e *Engine) failLocked(reason error) {
	if e.failed != nil {
		return
	}
	e.failed = reason
	e.ended.Store(true)
	e.regained.Notify()
	for _, w := range e.waiting {
		w.done <- e.outcome(w)
	}
	e.waiting = nil
	if e.buffer != nil {
		e.buffer.engine.fail(reason)
	}
}
