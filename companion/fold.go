// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/store"
)

// A Fold is an aggregate over all facts of some Records or Events, kept in memory by each process
// for itself. It takes in new facts when it is read. Its methods may be called concurrently.
type Fold[S any] struct {
	fold *store.Fold[foldState[S]]
}

type foldState[S any] struct {
	state     S
	undecoded *UndecodedError
	before    map[string]any // by key, the Record before values that were passed over
}

func newFoldState[S any](state S) foldState[S] {
	return foldState[S]{state, new(UndecodedError), make(map[string]any)}
}

// Facts are what a Fold reads: Records or Events of T.
type Facts[T any] interface{ facts() *source[T] }

// NewFold returns the fold over all facts of from, in the order of the log. The state begins as initial.
//
// step returns what the state becomes with a fact, deletions too: after is the fact, and before is the record of the
// same key that the fold took in before it, so that step can take back what that one added. before is the zero
// Record if there is none, as for each of Events. It has no value if before.Live is false. step must not read the fold.
//
// A value that can't be decoded as a T is passed over: step is not called for it, and the next fact of its key gets
// the record before it, also if the fold has begun after it.
func NewFold[S, T any](from Facts[T], initial S, step func(state S, before, after Record[T]) S) *Fold[S] {
	of := from.facts()
	return &Fold[S]{store.NewChangeFold(of.store.engine, newFoldState(initial), func(state foldState[S], prev, found store.Record) foldState[S] {
		before, ok := state.before[found.Key()].(Record[T])
		for bad := error(nil); !ok; ok = bad == nil {
			if before, bad = of.decode(prev); bad != nil { // the fold has begun after it
				state.undecoded.add(bad)
				prev = prev.Previous()
			}
		}
		after, err := of.decode(found)
		if err != nil {
			state.before[strings.Clone(found.Key())] = before
			state.undecoded.add(err)
			return state
		}
		state.state = step(state.state, before, after)
		delete(state.before, found.Key())
		return state
	}, of.name)}
}

// Read calls read with the state after all facts that the Store shows, and with the Store's Head as seq. The
// state does not change while read runs; if it holds references, such as a map, read copies what it keeps. New
// facts that are not in memory any more (Options.KeepVersions) are read from the log. If some of them were
// compacted, the error is ErrCompacted, see [Fold.Begin]. If the fold has passed over values that can't be decoded,
// each Read calls read, and returns an *UndecodedError after that. After other errors read was not called.
func (f *Fold[S]) Read(ctx context.Context, read func(state S, seq uint64)) (err error) {
	failed := f.fold.Read(ctx, func(state foldState[S], seq uint64) {
		read(state.state, seq)
		err = state.undecoded.err()
	})
	if failed != nil {
		return fmt.Errorf("companion: %w", failed)
	}
	return err
}

// Begin makes state the fold's state of the facts through seq, whatever they were: what [Fold.Read] showed earlier and
// the app kept, or, after ErrCompacted, what the app wants to begin with at the Seq of the horizon.
func (f *Fold[S]) Begin(ctx context.Context, state S, seq uint64) error {
	if err := f.fold.Begin(ctx, newFoldState(state), seq); err != nil {
		return fmt.Errorf("companion: %w", err)
	}
	return nil
}
