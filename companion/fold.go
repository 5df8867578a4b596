// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/store"
)

// A Fold is an aggregate over all facts of some Records or Events. Each process keeps its own state in memory. A Fold
// takes in new facts when it is read. Its methods may be called concurrently.
type Fold[S any] struct {
	fold *store.Fold[foldState[S]]
}

type foldState[S any] struct {
	state     S
	undecoded *UndecodedError
	before    map[string]any // by key, the Record before values that were skipped
}

func newFoldState[S any](state S) foldState[S] {
	return foldState[S]{state, new(UndecodedError), make(map[string]any)}
}

// Facts are Records or Events of T, which a Fold reads.
type Facts[T any] interface{ facts() *source[T] }

// NewFold returns the fold over all facts of from, in the order of the log. The state begins as initial.
//
// step returns the state after a fact, which may be a deletion: after is the fact, and before is the previous record of
// its key that the fold took in, so that step can subtract what before added. before is the zero Record if there is
// none, as for every event. If before.Live is false, before has no value. step must not read the fold.
//
// A value that can't be decoded as a T is skipped: step is not called for it, and the next fact of its key gets the
// record before the skipped one, even if the fold has begun after that.
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

// Read calls read with the state after all facts that the Store shows, and with the Store's Head as seq. The state does
// not change while read runs. If the state holds references, such as a map, read must copy what it keeps. Facts that
// are no longer in memory (Options.KeepVersions) are read from the log. If some new facts were compacted, the error is
// ErrCompacted, see [Fold.Begin]. If the fold has skipped values that can't be decoded, Read still calls read, and then
// returns an *UndecodedError. After other errors, read was not called.
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

// Begin sets the fold's state to state, as of seq; the fold goes on with the facts after seq. Use it with a state that
// [Fold.Read] showed earlier and the app kept. Use it also after ErrCompacted, with the Seq of the horizon and the
// state with which the app begins there.
func (f *Fold[S]) Begin(ctx context.Context, state S, seq uint64) error {
	if err := f.fold.Begin(ctx, newFoldState(state), seq); err != nil {
		return fmt.Errorf("companion: %w", err)
	}
	return nil
}
