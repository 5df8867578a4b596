// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"sync"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A Filter selects the records of a scope: Where and Match must both accept a record.
type Filter[T any] struct {
	// Where gives the values of fields, which are named as in JSON, nested ones with dots in between, as Go
	// values: the number of a field with the tag option "string" is a number here. They are equal if the
	// type of the field says so: an instant in any zone, also inside a struct or a list, a number whether or not it is in a
	// string, and what a type with methods of its own reads and writes in one way, such as a UUID. A name
	// is found in JSON as encoding/json finds it, in any case. A record whose JSON lacks a field, as one may that was written
	// before T had it, has no value there, and not the zero one: Match tells. Nil: any.
	Where map[string]any

	// Match, if not nil, is called with a record's key and value. It must answer the same for the same
	// record, whatever else is in the Store, since the scope keeps its answer; and it should be quick: writers
	// wait for it. It may read the Store, slowly; writes fail. If it panics, or asks the scope that it
	// decides about, that is logged and the record is not in the scope. It may be called concurrently.
	Match func(key string, v T) bool
}

// A Scope is a named filter over the current records of a store: those that were written last, whatever their valid
// times. List and Query with ValidNow look at what is valid now.
type Scope[T any] struct {
	scope *store.Scope
	of    *Records[T]
}

// Scope returns the scope of the records that f selects. A field that T does not have, or a value that the
// field can't have in JSON, is a *backend.InvalidError that names the field. Each Scope keeps an index,
// which is built on first use and kept up by each write, until [Scope.Close].
//
// A second scope of the records with the same name and the same Where is the first one, so that a request's handler
// may make it each time. Another filter under the name is a *backend.InvalidError until the first scope is
// closed; two functions Match are never the same.
func (r *Records[T]) Scope(name string, f Filter[T]) (*Scope[T], error) {
	if r == nil {
		return nil, fmt.Errorf("companion: scope %q: %w", name, &backend.InvalidError{Field: "records", Reason: "nil Records: did NewRecords fail?"})
	}
	filter := store.Filter{Where: make(map[store.Field]any, len(f.Where)), Readers: make(map[store.Field]store.FieldReader, len(f.Where))}
	for field, v := range f.Where {
		path, err := pathOf[T](field)
		if err == nil {
			filter.Where[store.Field(field)], err = path.wanted(field, v)
			filter.Readers[store.Field(field)] = path
		}
		if err != nil {
			return nil, fmt.Errorf("companion: scope %q of store %q: %w", name, r.name, err)
		}
	}
	var once sync.Once
	if f.Match != nil {
		filter.Match = func(found store.Record, value json.RawMessage) bool {
			var v T
			if err := unmarshal(value, &v, r.known); err != nil {
				once.Do(func() {
					r.store.logger.Warn("a value can't be decoded, so that a scope does not have its record; Scope.Undecoded counts them all",
						zap.String("scope", name), zap.String("store", r.name), zap.String("key", found.Key()), zap.Uint64("seq", found.Seq()), zap.Error(err))
				})
				return false
			}
			return f.Match(found.Key(), v)
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

// Close says that the scope is not needed any more. Call it once for each call of [Records.Scope]; after the last
// one writes no longer keep up the scope's index, and reads of it look at every record.
func (s *Scope[T]) Close() { s.scope.Close() }

// Count returns how many records are in the scope now.
func (s *Scope[T]) Count() int { return s.scope.Count() }

// Undecoded returns an *UndecodedError with the number of current records of the store whose values are no T, or nil.
// Match is not asked about them, so that a scope with Match does not have them; the first one that it meets
// is logged. It looks at every record.
func (s *Scope[T]) Undecoded(ctx context.Context) error { return s.of.undecoded(ctx) }

// List yields the records in the scope that q asks for, as [Records.List].
func (s *Scope[T]) List(ctx context.Context, q Query) iter.Seq2[Record[T], error] {
	return s.of.list(ctx, q, s.scope.List)
}

// Query returns a page of the records in the scope that q asks for, as [Records.Query].
func (s *Scope[T]) Query(ctx context.Context, q Query) (Results[T], error) {
	return s.of.query(ctx, q, s.scope.Query)
}

// The transitions of a record.
const (
	Entered = store.Entered // the record was not in the scope, and now is
	Updated = store.Updated // the record was in the scope and still is, with another value
	Left    = store.Left    // the record was in the scope and no longer is; the event's record says why
)

// A ScopeEvent is a record and what it did to a scope. Record.Seq is where to go on from; after a restart, see [Store.Resume].
type ScopeEvent[T any] struct {
	Transition store.Transition `json:"transition"` // as text: entered, updated or left
	Record     Record[T]        `json:"record"`
}

// Watch yields what facts with a seq above after did to the scope, in the order of the log, and goes
// on with each new one until ctx is done or the Store is closed, which is the error that ends it. A
// slow loop costs writers nothing and misses nothing. To begin with what is in the scope now:
//
//	head := s.Head()
//	for record, err := range scope.List(ctx, companion.Query{At: companion.AsOf(head)}) { … }
//	for event, err := range scope.Watch(ctx, head) { … }
func (s *Scope[T]) Watch(ctx context.Context, after uint64) iter.Seq2[ScopeEvent[T], error] {
	return decoded(ctx, &s.of.source, s.scope.Watch(ctx, after), func(found store.ScopeEvent) (ScopeEvent[T], error) {
		record, err := s.of.decode(found.Record)
		return ScopeEvent[T]{found.Transition, record}, err
	})
}
