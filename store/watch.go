package store

import (
	"context"
	"fmt"
	"iter"
)

// Tail yields the facts of a store with a seq above after, retractions too, in the order of the log,
// and then each new one as the engine shows it. Each pair is a record and nil, or the zero Record
// and an error, which ends the loop: ctx's, or why the engine no longer follows the log (after all
// that it shows was yielded). The seq of the last record is the cursor to go on from later.
//
// It is served from memory, not from a queue: a slow loop costs writers nothing and misses nothing.
// What Options.KeepVersions has dropped is read from the log. The loop's body may call any method. Of a
// store that is not in memory nothing would ever come: it is ErrNotLoaded.
func (e *Engine) Tail(ctx context.Context, store string, after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if !e.Loaded(store) {
			yield(Record{}, fmt.Errorf("store: tail store %q: %w", store, ErrNotLoaded))
			return
		}
		for {
			head, read := e.Head(), uint64(0)
			s := e.namespace(store)
			if s != nil && after < s.floor {
				past, err := e.Past(ctx, store)
				if err != nil {
					yield(Record{}, err)
					return
				}
				s, head = past.namespace(store), past.Head()
				read = head
			}
			if s == nil {
				s = new(namespace)
			}
			for r := range s.facts(after) {
				if err := ctx.Err(); err != nil {
					yield(Record{}, err)
					return
				}
				after = r.Seq()
				if !yield(r, nil) {
					return
				}
			}
			after = max(after, read)
			err := e.WaitFor(ctx, head+1)
			if err == nil {
				err = ctx.Err() // though other stores are written all the time
			} else if ctx.Err() == nil && e.Head() > head {
				continue // what came before the end
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
		}
	}
}

// A Change is what a fact did to a scope.
type Change int

const (
	Entered Change = iota + 1 // the key was not in the scope, and now is
	Updated                   // the key was in the scope and still is, with another record
	Left                      // the key was in the scope, and no longer is; the record says why
)

func (c Change) String() string {
	switch c {
	case Entered:
		return "entered"
	case Updated:
		return "updated"
	case Left:
		return "left"
	}
	return "nothing"
}

// An Event is one record and what it did to a scope.
type Event struct {
	Change Change
	Record Record
}

// Watch yields what the facts with a seq above after did to the scope, in the order of the log, and
// goes on with each new one; facts that did nothing to it are passed over. To begin with what is
// in the scope, take the engine's Head, list the scope [AsOf] that, and watch after it.
//
// Pairs, cursor and slow loops are as with [Engine.Tail]. Where the facts before one were pruned,
// it can't be told whether its key was in the scope: it is said to have entered, or to have left. What
// goes by being pruned itself, as old events do, leaves nothing to say that it left.
func (s *Scope) Watch(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for r, err := range s.members.engine.Tail(ctx, s.store, after) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			if c := s.change(r); c != 0 && !yield(Event{c, r}, nil) {
				return
			}
		}
	}
}

func (s *Scope) change(r Record) Change {
	prev := r.prev()
	pruned := prev.data == nil && r.Causation() != ""
	switch was, is := s.Has(prev), s.Has(r); {
	case was && is:
		return Updated
	case is:
		return Entered
	case was || pruned:
		return Left
	}
	return 0
}
