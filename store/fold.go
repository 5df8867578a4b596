package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/igniter-store/igniter/internal/ctxsync"
)

// A Fold is an aggregate over the facts of some stores, such as a balance or a count by day. Each process
// keeps its own, in memory. It takes in new facts when it is read, so that it costs writers nothing. Its
// methods may be called concurrently.
//
// Facts that [Engine.Compact] prunes before the fold has taken them in never reach it: read it before.
type Fold[S any] struct {
	engine *Engine
	stores []string
	step   func(state S, r Record) S

	mu    ctxsync.Mutex // guards what follows
	state S
	seq   uint64
	taken *taken // nil: step does not ask for it
}

// NewFold returns the fold over the facts of the stores, in the order of the log, that begins with
// initial. step returns what the state becomes with a fact, retractions too; it is called by one
// goroutine at a time, and must not read the fold.
func NewFold[S any](e *Engine, initial S, step func(state S, r Record) S, stores ...string) *Fold[S] {
	return &Fold[S]{engine: e, stores: slices.Clone(stores), step: step, mu: ctxsync.NewMutex(), state: initial}
}

// Read calls read with the state of all facts through the engine's head, and the head. The state does not
// change while read runs; if the state holds references, such as a map, read copies what it keeps. It must
// not read the fold. Facts that were dropped from memory before the fold took them in are read from the
// log. Errors are those of reading the log, ctx's, and ErrNotLoaded.
func (f *Fold[S]) Read(ctx context.Context, read func(state S, seq uint64)) error {
	if err := f.mu.Lock(ctx); err != nil {
		return fmt.Errorf("store: read fold: %w", err)
	}
	defer f.mu.Unlock()
	for _, store := range f.stores {
		if !f.engine.Loaded(store) {
			return fmt.Errorf("store: read fold: store %q: %w", store, ErrNotLoaded)
		}
	}
	views, head := f.engine.views(f.stores)
	missed, ok := f.engine.merged(f.stores, f.seq, head)
	if !ok {
		past, err := f.engine.past(ctx, head, f.stores, nil)
		if err != nil {
			return fmt.Errorf("store: read fold: %w", err)
		}
		missed, _ = past.merged(f.stores, f.seq, head)
	}
	for r := range missed {
		f.state = f.step(f.state, r)
		f.seq = r.Seq() // in case a later step panics
	}
	f.seq = max(f.seq, head)
	if f.taken != nil {
		*f.taken = taken{views, head}
	}
	read(f.state, f.seq)
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
