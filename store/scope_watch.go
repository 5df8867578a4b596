package store

import (
	"context"
	"iter"
)

// A Transition is what a fact did to a scope.
type Transition int

const (
	Entered Transition = iota + 1 // the key was not in the scope, and now is
	Updated                       // the key was in the scope and still is, with another record
	Left                          // the key was in the scope, and no longer is; the record says why
)

func (t Transition) String() string {
	switch t {
	case Entered:
		return "entered"
	case Updated:
		return "updated"
	case Left:
		return "left"
	}
	return "nothing"
}

// A ScopeEvent is one record and what it did to a scope.
type ScopeEvent struct {
	Transition Transition
	Record     Record
}

// Watch yields what the facts with a seq above after did to the scope, in the order of the log, and
// goes on with each new one; facts that did nothing to it are passed over. To begin with what is
// in the scope, take the engine's Head, list the scope [AsOf] that, and watch after it.
//
// Pairs, cursor and slow loops are as with [Engine.Tail]. Where the facts before one were pruned,
// nothing tells whether its key was in the scope: it is said to have entered, or to have left. A key
// whose last fact is pruned, as old events are, leaves without an event.
func (s *Scope) Watch(ctx context.Context, after uint64) iter.Seq2[ScopeEvent, error] {
	return func(yield func(ScopeEvent, error) bool) {
		for r, err := range s.engine.Tail(ctx, s.store, after) {
			if err != nil {
				yield(ScopeEvent{}, err)
				return
			}
			if t := s.transition(r); t != 0 && !yield(ScopeEvent{t, r}, nil) {
				return
			}
		}
	}
}

func (s *Scope) transition(r Record) Transition {
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
