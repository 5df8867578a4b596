package store

import (
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// The log is applied in its order and page by page: the facts of a page are added to their namespaces,
// where readers do not look beyond the head, and then the head moves over all of them at once. Pages
// come from following the log, and from reads of it that begin at the head. A writer applies its own
// batch, as a whole, if that is what comes next after the head.

// applyPage applies a page that begins at the head or before it, and returns why the engine has ended, if it
// has.
func (e *Engine) applyPage(p backend.Page) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.apply(p.Facts, p.Through)
	e.release()
	return e.failed
}

// apply shows facts: whole batches, which are all that there is for this engine between the head and
// through. Facts through the head were applied before and are passed over. A fact that breaks the limits of
// facts, which only a broken backend gives out, ends the engine, and nothing of the page is shown. The
// caller holds mu, and calls release afterwards.
func (e *Engine) apply(facts []backend.Fact, through backend.Cursor) {
	head := e.Head()
	if e.failed != nil {
		return
	}
	var receipts []*backend.Fact
	var surplus []string // stores to trim
	last := head
	for i := range facts {
		f := &facts[i]
		if f.Seq <= last {
			continue // applied before; a batch may name one fact twice
		}
		last = f.Seq
		if len(f.ID) > backend.MaxIDLen || len(f.Causation) > backend.MaxIDLen || len(f.ValueHash) > backend.MaxHashLen ||
			len(f.Store) > backend.MaxStoreLen || len(f.Key) > backend.MaxKeyLen || len(f.Value) == 0 {
			e.failLocked(fmt.Errorf("store: seq %d of the log is no valid fact, which is a mistake of its backend: %w", f.Seq, backend.ErrCorrupt))
			return
		}
		if e.Loaded(f.Store) && (e.keys == nil || slices.Contains(e.keys, f.Key)) {
			s := e.space(f.Store)
			s.add(f)
			if e.surplus(s, f) && !slices.Contains(surplus, s.name) {
				surplus = append(surplus, s.name)
			}
		}
		e.buffer.add(f)
		if f.Store == CompactionStore {
			receipts = append(receipts, f)
		}
	}
	if through.Seq > head {
		e.id = through.Log
		e.head.Store(through.Seq)
	}
	for _, f := range receipts {
		if err := e.compacted(f); err != nil {
			e.opts.Logger.Warn("a receipt is passed over", zap.Error(err), zap.Uint64("seq", f.Seq))
		}
	}
	for _, store := range surplus {
		e.trim(e.namespace(store))
	}
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

// replace makes s the namespace of its store. The caller holds mu, and the head has reached s.since.
func (e *Engine) replace(s *namespace) { e.spaces.Store(s.name, s) }

// minSurplus is how many facts beyond those to keep a namespace has before it is worth rebuilding.
const minSurplus = 1024

// surplus counts a fact that was added to s, and reports whether s is worth trimming.
func (e *Engine) surplus(s *namespace, f *backend.Fact) bool {
	keep := uint32(e.opts.KeepVersions)
	if keep == 0 {
		return false
	}
	t, _, _ := s.find(f.Key)
	if s.record(t.ref()).depth() <= keep {
		return false
	}
	s.surplus++
	return s.surplus >= max(minSurplus, int(s.count.Load())/2)
}

// trim drops facts of a store beyond the latest few of each key. The caller holds mu.
func (e *Engine) trim(s *namespace) {
	keep, drops := uint32(e.opts.KeepVersions), s.dropped
	kept := s.without(func(r Record) bool {
		latest, _ := s.key(r.number())
		newer := latest.depth() - r.depth()
		if newer >= keep-1 && r.depth() > 1 || newer >= keep {
			if t := r.TransactionTime(); t.After(drops.time) {
				drops.time = t
			}
		}
		if newer == keep-1 && r.depth() > 1 {
			drops.seq = max(drops.seq, r.Seq())
		}
		return newer >= keep
	}, true, e.Head())
	kept.dropped = drops
	e.replace(kept)
}

// fail ends the engine, with what waits for the log, and remembers why. The first reason stays.
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
	for _, w := range e.waiting {
		w.done <- e.outcome(w)
	}
	e.waiting = nil
	if e.buffer != nil {
		e.buffer.engine.fail(reason)
	}
}
