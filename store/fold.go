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

// A Fold is an aggregate over the facts of some stores, such as a balance or a count by day. Each process keeps its own
// state in memory. A fold takes in new facts when it is read, so that it costs writers nothing. Its methods may be
// called concurrently.
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

// NewFold returns the fold over the facts of the stores, in the order of the log, that begins with initial. step
// returns the state after a fact, which may be a retraction; one goroutine at a time calls it.
func NewFold[S any](e *Engine, initial S, step func(state S, r Record) S, stores ...string) *Fold[S] {
	return &Fold[S]{engine: e, stores: slices.Clone(stores), step: step, mu: ctxsync.NewMutex(), state: initial}
}

// Read calls read with the state after all facts through seq, which is the engine's head. The state does not change
// while read runs. If the state holds references, such as a map, read must copy what it keeps. Facts that were dropped
// from memory before the fold took them in are read from the log. Read returns errors of reading the log, ctx's error,
// ErrNotLoaded, backend.ErrCompacted, and backend.ErrForbidden while this process may not read one of the stores. After
// backend.ErrForbidden the fold goes on where it was once the process may read the store again.
//
// read may read folds, too: a fold that is being read then shows its state as it is, and seq may be before the head. A
// step must not read a fold: while the fold takes in facts, Read returns an error.
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

// share sets whether other goroutines may read the state.
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
