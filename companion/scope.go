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
	// Where has the values that fields must have, as Go values. Fields are named as in JSON, nested ones with dots, and
	// are found as encoding/json finds them, in any case. A field with the tag option "string" is given as a number,
	// not as a string. Values are compared by the type of the field: instants are equal in any zone, also inside a
	// struct or a list; a number equals the same number in a string; and values of a type with its own methods, such as
	// a UUID, are equal if the type writes them the same. A record whose JSON lacks the field, for instance because it
	// was written before T had it, has no value in it, and not the zero value: use Match for such records. Nil: any.
	Where map[string]any

	// Match, if not nil, reports whether the record with a key and value is in the scope. Its result must depend on the
	// record alone, since the scope keeps the result. It should be quick, since writers wait for it. Match may read the
	// Store, but such reads may be slow; writes fail. If Match panics or reads its own scope, the Store logs that, and
	// the record is not in the scope. Match may be called concurrently.
	Match func(key string, v T) bool
}

// A Scope is a named filter over the current records of a store, which are the records that were written last, whatever
// their valid times. List and Query with ValidNow look at the values that are valid now.
type Scope[T any] struct {
	scope *store.Scope
	of    *Records[T]
}

// Scope returns the scope of the records that f selects. A field that T does not have, or a value that the field can't
// have in JSON, is a *backend.InvalidError that names the field. Each Scope keeps an index, which is built on first
// use; each later write updates it, until [Scope.Close].
//
// A second call with the same name and an equal Where returns the same scope, so that the handler of a request may call
// Scope each time. Another filter under the name is a *backend.InvalidError until the first scope is closed. Two
// filters with a Match are never equal.
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

// Close releases the scope. Call it once for each call of [Records.Scope]; after the last Close writes no longer update
// the index, and reads look at every record.
func (s *Scope[T]) Close() { s.scope.Close() }

// Count returns how many records are in the scope now.
func (s *Scope[T]) Count() int { return s.scope.Count() }

// Undecoded returns an *UndecodedError if the values of current records of the store can't be decoded as a T, or nil.
// Match is not called for such records, and a scope with Match does not have them; the scope logs the first one that it
// meets. Undecoded looks at every record.
func (s *Scope[T]) Undecoded(ctx context.Context) error { return s.of.undecoded(ctx) }

// List yields the records in the scope that q selects, as [Records.List].
func (s *Scope[T]) List(ctx context.Context, q Query) iter.Seq2[Record[T], error] {
	return s.of.list(ctx, q, s.scope.List)
}

// Query returns a page of the records in the scope that q selects, as [Records.Query].
func (s *Scope[T]) Query(ctx context.Context, q Query) (Results[T], error) {
	return s.of.query(ctx, q, s.scope.Query)
}

// The transitions of a record.
const (
	Entered = store.Entered // the record was not in the scope, and now is
	Updated = store.Updated // the record was in the scope and still is, with another value
	Left    = store.Left    // the record was in the scope and no longer is; the event's record is the fact that removed it
)

// A ScopeEvent is a record and what it did to a scope. To watch on later, pass Record.Seq; after a restart, see
// [Store.Resume].
type ScopeEvent[T any] struct {
	Transition store.Transition `json:"transition"` // as text: entered, updated or left
	Record     Record[T]        `json:"record"`
}

// Watch yields an event for each fact with a seq above after that changes the scope, in the order of the log. It goes
// on with each new fact until ctx is done or the Store is closed, and ends with that error. A slow loop costs writers
// nothing and misses nothing. To begin with the records that are in the scope now:
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
