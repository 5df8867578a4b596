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
// facts that are not in memory any more (Options.KeepVersions) are read from the log. A value that can't be
// decoded as a T is an error, and ends the fold.
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
