package companion

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/store"
)

// A Filter says which records are in a scope: those that all of it fits.
type Filter[T any] struct {
	// Where has what fields are equal to, by their JSON names, joined by dots where they are nested,
	// as Go values: the number of a field with the tag option "string" is a number here. Nil: any.
	Where map[string]any

	// Match is asked about a record's key and value; nil: any. It must answer the same whenever it is
	// asked, must not write, and should be quick: writers wait for it. It may be called concurrently.
	Match func(key string, v T) bool
}

// A Scope is a named filter over the current records of a store.
type Scope[T any] struct {
	scope *store.Scope
	of    *Records[T]
}

// Scope returns the scope of the records that f fits. A field that T does not have, or a value that
// it never has in JSON, is a *backend.InvalidError that names it. Its index is built on first use
// and kept up by each write: make it once.
func (r *Records[T]) Scope(name string, f Filter[T]) (*Scope[T], error) {
	filter := store.Filter{Where: make(map[store.Field]any, len(f.Where))}
	for field, v := range f.Where {
		found, err := checkField[T](field)
		if err == nil {
			filter.Where[store.Field(field)], err = wanted(field, found, v)
		}
		if err != nil {
			return nil, fmt.Errorf("companion: scope %q of store %q: %w", name, r.name, err)
		}
	}
	if f.Match != nil {
		filter.Match = func(found store.Record, value json.RawMessage) bool {
			var v T
			return json.Unmarshal(value, &v) == nil && f.Match(found.Key(), v)
		}
	}
	scope, err := r.store.engine.Scope(r.name, name, filter)
	if err != nil {
		return nil, fmt.Errorf("companion: scope %q of store %q: %w", name, r.name, err)
	}
	return &Scope[T]{scope, r}, nil
}

// Build builds the scope's index now, so that its first read need not.
func (s *Scope[T]) Build() { s.scope.Build() }

// Count returns how many records are in the scope now.
func (s *Scope[T]) Count() int { return s.scope.Count() }

// List yields the records in the scope that q asks for. Pairs are as in [Records.List].
func (s *Scope[T]) List(ctx context.Context, q Query) iter.Seq2[Record[T], error] {
	return s.of.read(ctx, Moment{}, func(e *store.Engine) (iter.Seq[store.Record], error) {
		scope, err := s.scope, checkQuery[T](e, s.of.name, q)
		if err == nil && s.of.store.partial && q.At != (Moment{}) {
			scope, err = scope.Past(ctx)
		}
		if err != nil {
			return nil, err
		}
		return scope.List(q), nil
	})
}

// What an [Event] can be.
const (
	Entered = store.Entered // the record was not in the scope, and now is
	Updated = store.Updated // it was and still is, with another value
	Left    = store.Left    // it was, and no longer is; the event's record says why
)

// An Event is a record and what it did to a scope. Record.Seq is the cursor to go on from.
type Event[T any] struct {
	Change store.Change
	Record Record[T]
}

// Watch yields what facts with a seq above after did to the scope, in the order of the log, and goes
// on with each new one until ctx is done or the Store is closed, which is the error that ends it. A
// slow loop costs writers nothing and misses nothing. To begin with what is in the scope now:
//
//	head := s.Head()
//	for record, err := range scope.List(ctx, companion.Query{At: companion.AsOf(head)}) { … }
//	for event, err := range scope.Watch(ctx, head) { … }
func (s *Scope[T]) Watch(ctx context.Context, after uint64) iter.Seq2[Event[T], error] {
	return func(yield func(Event[T], error) bool) {
		for found, err := range s.scope.Watch(ctx, after) {
			event := Event[T]{Change: found.Change}
			if err == nil {
				event.Record, err = decode[T](found.Record)
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}
