// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync"

	"github.com/igniter-store/igniter/internal/ctxsync"
)

// A Fold is an aggregate over the facts of some stores, such as a balance or a count by day. Each process
// keeps its own, in memory. It takes in new facts when it is read, so that it costs writers nothing. Its
// methods may be called concurrently.
//
// If facts that the fold has not taken in were pruned, it can't be read: Read returns a *backend.CompactedError. Read it
// before [Engine.Compact], or call [Fold.Begin] afterwards.
type Fold[S any] struct {
	engine *Engine
	stores []string
	step   func(state S, r Record) S

	mu    ctxsync.Mutex // guards state and seq; held while read runs
	state S
	seq   uint64
	taken *taken // nil: step does not ask for it

	sharing sync.Mutex // guards what follows
	shared  bool       // read runs: the state does not change
	guests  sync.WaitGroup
}

// NewFold returns the fold over the facts of the stores, in the order of the log, that begins with
// initial. step returns what the state becomes with a fact, retractions too; it is called by one
// goroutine at a time.
func NewFold[S any](e *Engine, initial S, step func(state S, r Record) S, stores ...string) *Fold[S] {
	return &Fold[S]{engine: e, stores: slices.Clone(stores), step: step, mu: ctxsync.NewMutex(), state: initial}
}

// Read calls read with the state of all facts through the engine's head, and the head. The state does not
// change while read runs; if the state holds references, such as a map, read copies what it keeps. Facts that
// were dropped from memory before the fold took them in are read from the log. Errors are those of reading
// the log, ctx's, ErrNotLoaded, backend.ErrCompacted, and backend.ErrForbidden while this process may not read one of the
// stores: the fold does not move meanwhile, and goes on once it may.
//
// Inside the read of a fold, a fold that is being read is read as it is, which may be before the head: see seq.
// A step must not read a fold: while that takes in facts, it is an error.
func (f *Fold[S]) Read(ctx context.Context, read func(state S, seq uint64)) error {
	if !f.mu.TryLock() {
		if inside, step := insideFold(); inside {
			if done, err := f.readShared(ctx, read); done || err != nil {
				return err
			}
			if step {
				return errors.New("store: read fold: a step reads a fold that is taking in facts, which may never end: read it elsewhere")
			}
		}
		if err := f.mu.Lock(ctx); err != nil {
			return fmt.Errorf("store: read fold: %w", err)
		}
	}
	defer f.mu.Unlock()
	if err := f.advance(ctx); err != nil {
		return fmt.Errorf("store: read fold: %w", err)
	}
	f.share(true)
	defer f.guests.Wait()
	defer f.share(false)
	f.called(read)
	return nil
}

// share says whether others may read the state meanwhile.
func (f *Fold[S]) share(shared bool) {
	f.sharing.Lock()
	defer f.sharing.Unlock()
	f.shared = shared
}

// readShared calls read if f is being read, and returns whether it did. The caller is inside a function that a fold
// called, perhaps f: it must not wait for the end of that.
func (f *Fold[S]) readShared(ctx context.Context, read func(state S, seq uint64)) (done bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("store: read fold: %w", err)
	}
	f.sharing.Lock()
	if !f.shared {
		f.sharing.Unlock()
		return false, nil
	}
	f.guests.Add(1)
	f.sharing.Unlock()
	defer f.guests.Done()
	f.called(read)
	return true, nil
}

// called calls read. It is not inlined, so that insideFold sees it.
//
//go:noinline
func (f *Fold[S]) called(read func(state S, seq uint64)) { read(f.state, f.seq) }

// advance takes in the facts through the engine's head.
//
//go:noinline
func (f *Fold[S]) advance(ctx context.Context) error {
	for _, store := range f.stores {
		if !f.engine.Loaded(store) {
			return fmt.Errorf("store %q: %w", store, ErrNotLoaded)
		}
	}
	if err := f.engine.reachable(ctx, f.seq); err != nil {
		return err
	}
	var views map[string]view
	var head uint64
	var missed iter.Seq[Record]
	err := f.engine.under(func(a *access) error {
		for _, store := range f.stores {
			if !a.has(store) {
				return forbidden(store)
			}
		}
		var ok bool
		views, head = f.engine.views(f.stores)
		if missed, ok = f.engine.merged(f.stores, f.seq, head); !ok {
			past, err := f.engine.past(ctx, head, f.stores, nil)
			if err != nil {
				return err
			}
			f.engine.learn(past.allHorizons(), 0)
			missed, _ = past.merged(f.stores, f.seq, head)
		}
		for _, store := range f.stores {
			if err := f.engine.wholeAfter(store, f.seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for r := range missed {
		f.state = f.step(f.state, r)
		f.seq = r.Seq() // in case a later step panics
	}
	f.seq = max(f.seq, head)
	if f.taken != nil {
		*f.taken = taken{views, head}
	}
	return nil
}

// merged returns the facts of some stores with seqs above after through head, in the order of the log;
// false if some of them were dropped from memory.
func (e *Engine) merged(stores []string, after, head uint64) (iter.Seq[Record], bool) {
	type place struct {
		view
		n, end int // the next record, and where they end
	}
	var places []*place
	for _, store := range stores {
		v := view{e.namespace(store), head}
		if v.namespace == nil {
			continue
		}
		if after < v.dropped.seq {
			return nil, false
		}
		end := v.end()
		places = append(places, &place{v, sort.Search(end, func(n int) bool { return v.nth(n).Seq() > after }), end})
	}
	return func(yield func(Record) bool) {
		for {
			var next *place
			var first Record
			for _, p := range places {
				if p.n == p.end {
					continue
				}
				if r := p.nth(p.n); next == nil || r.Seq() < first.Seq() {
					next, first = p, r
				}
			}
			if next == nil || !yield(first) {
				return
			}
			next.n++
		}
	}, true
}
