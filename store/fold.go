package store

import (
	"context"
	"slices"
	"sync"
)

// A Fold is an aggregate over the facts of some stores, kept in memory by each process for itself,
// such as a balance or a count by day. It takes in what is new when it is read, so that it costs
// writers nothing. Its methods may be called concurrently.
//
// Facts that [Engine.Compact] drops before the fold has read them never reach it: read it once before.
type Fold[S any] struct {
	engine *Engine
	stores []string
	step   func(state S, r Record) S

	mu    sync.Mutex // guards what follows
	state S
	seq   uint64
}

// NewFold returns the fold over the facts of the stores, in the order of the log, that begins with
// initial. step returns what the state becomes with a fact, retractions too; it is called by one
// goroutine at a time, and must not read the fold.
func NewFold[S any](e *Engine, initial S, step func(state S, r Record) S, stores ...string) *Fold[S] {
	return &Fold[S]{engine: e, stores: slices.Clone(stores), step: step, state: initial}
}

// Read calls read with the state of all that the engine shows and the seq through which that is.
// While it runs the state stands still: what read keeps of a state with references, such as a map,
// it must copy. It must not read the fold.
//
// What Options.KeepVersions has dropped before the fold came to it is not in memory: Read then shows the
// state that was come to, until WaitFor has read what is missing from the log.
func (f *Fold[S]) Read(read func(state S, seq uint64)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.catchUp(f.engine)
	read(f.state, f.seq)
}

// WaitFor waits until the engine shows the log through seq, and takes in what there is: a Read after
// it shows seq or more. It ends as [Engine.WaitFor] does.
func (f *Fold[S]) WaitFor(ctx context.Context, seq uint64) error {
	if err := f.engine.WaitFor(ctx, seq); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.catchUp(f.engine) {
		past, err := f.engine.past(ctx, f.stores, nil)
		if err != nil {
			return err
		}
		f.catchUp(past)
	}
	return nil
}

// catchUp takes in what e has; false if e does not have it any more.
func (f *Fold[S]) catchUp(e *Engine) bool {
	head := e.Head()
	if head <= f.seq {
		return true
	}
	missed, ok := e.merged(f.stores, f.seq, head)
	if !ok {
		return false
	}
	for r := range missed {
		f.state = f.step(f.state, r)
		f.seq = r.Seq() // should a later step panic
	}
	f.seq = head
	return true
}
