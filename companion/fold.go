package companion

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/store"
)

// A Fold is an aggregate over all facts of some Records or Events, kept in memory by each process
// for itself. It takes in new facts when it is read. Its methods may be called concurrently.
type Fold[S any] struct {
	fold *store.Fold[foldState[S]]
}

type foldState[S any] struct {
	state S
	err   error // the first value that is no T
}

// Facts are what a Fold reads: Records or Events of T.
type Facts[T any] interface{ facts() *source[T] }

// NewFold returns the fold over all facts of from, deletions too, in the order of the log. The state begins as
// initial, and step returns the state after a fact. step must not read the fold.
func NewFold[S, T any](from Facts[T], initial S, step func(state S, r Record[T]) S) *Fold[S] {
	of := from.facts()
	return &Fold[S]{store.NewFold(of.store.engine, foldState[S]{state: initial}, func(state foldState[S], found store.Record) foldState[S] {
		var r Record[T]
		if state.err == nil {
			r, state.err = of.decode(found)
		}
		if state.err == nil {
			state.state = step(state.state, r)
		}
		return state
	}, of.name)}
}

// Read calls read with the state after all facts that the Store shows, and with the Store's Head as seq. The
// state does not change while read runs; if it holds references, such as a map, read copies what it keeps. New
// facts that are not in memory any more (Options.KeepVersions) are read from the log. If some of them were
// compacted, the error is ErrCompacted, see [Fold.Begin]. A value that can't be decoded as a T is an error, and
// ends the fold.
func (f *Fold[S]) Read(ctx context.Context, read func(state S, seq uint64)) (err error) {
	failed := f.fold.Read(ctx, func(state foldState[S], seq uint64) {
		if err = state.err; err == nil {
			read(state.state, seq)
		}
	})
	if failed != nil {
		return fmt.Errorf("companion: %w", failed)
	}
	return err
}

// Begin makes state the fold's state of the facts through seq, whatever they were: what [Fold.Read] showed earlier and
// the app kept, or, after ErrCompacted, what the app wants to begin with at the Seq of the horizon.
func (f *Fold[S]) Begin(ctx context.Context, state S, seq uint64) error {
	if err := f.fold.Begin(ctx, foldState[S]{state: state}, seq); err != nil {
		return fmt.Errorf("companion: %w", err)
	}
	return nil
}
