package companion

import (
	"context"

	"github.com/igniter-store/igniter/store"
)

// A Fold is an aggregate over all facts of some Records or a History, kept in memory by each process
// for itself. It takes in what is new when it is read. Its methods may be called concurrently.
type Fold[S any] struct {
	fold *store.Fold[foldState[S]]
}

type foldState[S any] struct {
	state S
	err   error // the first value that is no T
}

// A Facts is what can be folded: Records or a History of T.
type Facts[T any] interface{ facts() (*Store, string, T) }

func (r *Records[T]) facts() (s *Store, name string, none T) { return r.store, r.name, none }
func (h *History[T]) facts() (s *Store, name string, none T) { return h.store, h.name, none }

// NewFold returns the fold over all facts of from, in the order of the log, that begins with initial.
// step returns what the state becomes with a fact, deletions too; it must not read the fold.
func NewFold[S, T any](from Facts[T], initial S, step func(state S, r Record[T]) S) *Fold[S] {
	s, name, _ := from.facts()
	return &Fold[S]{store.NewFold(s.engine, foldState[S]{state: initial}, func(state foldState[S], found store.Record) foldState[S] {
		if state.err != nil {
			return state
		}
		r, err := decode[T](found)
		if err != nil {
			state.err = err
			return state
		}
		state.state = step(state.state, r)
		return state
	}, name)}
}

// Read calls read with the state of all that the Store shows and the seq through which that is. While
// it runs the state stands still: what read keeps of a state with references, such as a map, it
// must copy. A value that is no T is an error, and ends the fold.
func (f *Fold[S]) Read(read func(state S, seq uint64)) (err error) {
	f.fold.Read(func(state foldState[S], seq uint64) {
		if err = state.err; err == nil {
			read(state.state, seq)
		}
	})
	return err
}

// WaitFor waits until the fold has what the log holds through seq. With Options.KeepVersions, where Read
// stands still at what is not in memory any more, it reads that from the log.
func (f *Fold[S]) WaitFor(ctx context.Context, seq uint64) error { return f.fold.WaitFor(ctx, seq) }
