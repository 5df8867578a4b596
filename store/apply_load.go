// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// ErrNotLoaded is reported for a store whose facts are not in memory: Options.Stores does not name the store, and
// [Engine.Load] was not called for it.
var ErrNotLoaded = errors.New("store: the store is not in memory: name it in Options.Stores, or load it")

// A loadBuffer keeps the facts that are applied while stores are read from the log.
type loadBuffer struct {
	engine *Engine        // the stores are read into it
	facts  []backend.Fact // of the stores, and receipts of compactions

	confirmed map[uint64]Compaction // of the receipts, see Engine.ask
}

func (b *loadBuffer) add(f *backend.Fact) {
	if b != nil && (f.Store == CompactionStore || b.engine.Loaded(f.Store)) {
		b.facts = append(b.facts, f.Clone())
	}
}

// Load reads the facts of stores that are not in memory, and keeps them as if Options.Stores had named the stores. A
// store that is already in memory costs nothing. Load loads all other stores or, if it returns an error, no store.
func (e *Engine) Load(ctx context.Context, stores ...string) error {
	for _, store := range stores {
		if err := backend.CheckStore(store); err != nil {
			return fmt.Errorf("store: load store %q: %w", store, err)
		}
	}
	if e.reentered() {
		return errReentered
	}
	missing := func() []string { return slices.DeleteFunc(slices.Clone(stores), e.Loaded) }
	if len(missing()) == 0 {
		return nil
	}
	if err := e.loading.Lock(ctx); err != nil {
		return fmt.Errorf("store: load stores %q: %w", stores, err)
	}
	defer e.loading.Unlock()
	if stores = missing(); len(stores) == 0 { // another call has loaded them meanwhile
		return nil
	}
	if err := e.load(ctx, stores, nil); err != nil {
		return fmt.Errorf("store: load stores %q: %w", stores, err)
	}
	return nil
}

// reload reads the given stores again, or all stores that are in memory if no store is given. If now is not nil, it
// becomes the engine's access.
func (e *Engine) reload(ctx context.Context, now *access, stores ...string) error {
	if err := e.loading.Lock(ctx); err != nil {
		return err
	}
	defer e.loading.Unlock()
	if kept := e.stores.Load(); len(stores) == 0 && kept != nil {
		stores = *kept
	}
	return e.load(ctx, stores, now)
}

// load reads the facts of stores (nil: all) from the log, and replaces the facts of these stores in memory. It reads
// facts through the head from the log, and takes facts that are applied meanwhile from a buffer. The caller holds
// loading. now is as in reload.
func (e *Engine) load(ctx context.Context, stores []string, now *access) error {
	opts := e.opts
	opts.Stores = stores
	b := &loadBuffer{engine: newEngine(e.log, opts), confirmed: map[uint64]Compaction{}}
	e.mu.Lock()
	through, err := e.Head(), e.failed
	e.buffer = b
	e.mu.Unlock()
	if err == nil {
		err = b.engine.readThrough(ctx, through)
	}

	clock := e.opts.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buffer = nil
	b.engine.confirmed = b.confirmed
	if err == nil {
		err = b.engine.applyPage(backend.Page{Facts: b.facts, Through: backend.Cursor{Seq: e.Head()}})
	}
	if err == nil {
		err = e.failed
	}
	if err != nil {
		return err
	}
	e.raise(b.engine.allHorizons(), 0)
	if b.engine.newest.After(e.newest) {
		e.newest = b.engine.newest
	}
	e.noteAhead(clock)
	for s := range e.spaces.each() { // upcasters stay, and stores that have no facts any more become empty
		if b.engine.Loaded(s.name) {
			b.engine.space(s.name).upcasts.Store(s.upcasts.Load())
		}
	}
	if now != nil {
		e.access.Store(nil)
	}
	for s := range b.engine.spaces.each() {
		s.since = e.Head()
		e.replace(s)
	}
	if kept := e.stores.Load(); kept != nil {
		e.keep(stores)
	}
	if now != nil {
		e.access.Store(now)
		e.regained.Notify()
	}
	return nil
}

// Loaded reports whether the facts of a store are kept in memory, see Options.Stores.
func (e *Engine) Loaded(store string) bool {
	kept := e.stores.Load()
	if kept == nil {
		return true
	}
	_, ok := slices.BinarySearch(*kept, store)
	return ok
}

// keep adds to the stores that are kept in memory. The caller holds mu, unless the engine is new.
func (e *Engine) keep(stores []string) {
	var kept []string
	if old := e.stores.Load(); old != nil {
		kept = *old
	}
	kept = slices.Concat(kept, stores)
	slices.Sort(kept)
	kept = slices.Compact(kept)
	e.stores.Store(&kept)
}

// open reads the log for the first time. Receipts of compactions are read too, since a fact may be pruned
// after it was read.
func (e *Engine) open(ctx context.Context) error {
	var p OpenProgress
	var r backend.Range
	if e.opts.Stores != nil {
		r.Stores = slices.Clone(e.opts.Stores)
		if e.access.Load().has(CompactionStore) {
			r.Stores = append(r.Stores, CompactionStore)
		}
	} else if e.opts.Progress != nil {
		if stats, err := e.log.Stats(ctx); err == nil {
			p.Total = stats.Facts
		}
	}
	return e.read(ctx, r, func(facts int) {
		if p.Facts += uint64(facts); e.opts.Progress != nil && facts > 0 {
			e.opts.Progress(p)
		}
	})
}
