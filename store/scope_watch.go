// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
)

// A Transition is what a fact did to a scope.
type Transition int

const (
	Entered Transition = iota + 1 // the key was not in the scope, and now is
	Updated                       // the key was in the scope and still is, with another record
	Left                          // the key was in the scope, and no longer is; Record is the fact that removed it
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

// MarshalText returns String.
func (t Transition) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote; another text is a *backend.InvalidError.
func (t *Transition) UnmarshalText(text []byte) error {
	for *t = Entered; *t <= Left; *t++ {
		if t.String() == string(text) {
			return nil
		}
	}
	*t = 0
	return &backend.InvalidError{Field: "transition", Reason: fmt.Sprintf("%.100q is not entered, updated or left", text)}
}

// A ScopeEvent is one record and what it did to a scope.
type ScopeEvent struct {
	Transition Transition `json:"transition"`
	Record     Record     `json:"record"`
}

// Watch yields an event for each fact with a seq above after that changes the scope, in the order of the log, and goes
// on with each new fact. To begin with the records in the scope, take the engine's Head, list the scope [AsOf] that
// head, and watch after it.
//
// Pairs, resuming (see [Engine.Resume]) and slow loops are as in [Engine.Tail]. A watch that goes on after a
// *backend.CompactedError may miss events. If the earlier facts of a key were pruned, it is unknown whether the key was
// in the scope: Watch then yields Entered or Left. A key whose last fact is pruned, such as an old event, leaves the
// scope without an event.
func (s *Scope) Watch(ctx context.Context, after uint64) iter.Seq2[ScopeEvent, error] {
	return func(yield func(ScopeEvent, error) bool) {
		for r, err := range s.engine.Tail(ctx, s.store, after) {
			if err != nil {
				if !yield(ScopeEvent{}, err) {
					return
				}
				continue // after an error that does not end the loop
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
	switch was, is := s.has(prev), s.has(r); {
	case was && is:
		return Updated
	case is:
		return Entered
	case was || pruned:
		return Left
	}
	return 0
}
