// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// A Filter says which records are in a scope: Where and Match must both accept a record. Retracted keys and
// values that can't be upcast are never in a scope.
type Filter struct {
	// Where has the values that fields must equal, as Go values that become JSON. Values are equal if they are the same
	// JSON in canonical form: 1, 1.0 and 10e-1 are one number. One instant written in two time zones is two values,
	// unless Readers has a reader that makes them equal. Nil: any.
	Where map[Field]any

	// Readers has the readers of fields of Where. A field without a reader is read as JSON.
	Readers map[Field]FieldReader

	// Match reports whether a record with its upcast value is in the scope; nil: any. Its result must depend on the
	// record alone, since the scope keeps the result. It should be quick, since writers wait for it. Match may read the
	// engine, but such reads build no index and may be slow. Writes, waits and declarations fail. If Match panics or
	// reads its own scope, the engine logs that, and the record is not in the scope. Match may be called concurrently.
	Match func(r Record, value json.RawMessage) bool
}

// A Scope is a named filter over the current records of a store. Its methods may be called
// concurrently.
type Scope struct {
	engine      *Engine
	store, name string
	filter      Filter
	wants       []want
	busy        busy
	holders
}

type want struct {
	field Field
	by    FieldReader // nil: JSON
	value []byte      // in the form of appendEqual
}

// Scope returns the scope of a store's records that f accepts. The first use, or [Scope.Build], looks at every
// record once; from then on each write to the store updates the scope, until [Scope.Close].
//
// A second call with the same name and an equal Where returns the same scope. Another filter under the name is a
// *backend.InvalidError until the first scope is closed. Two filters with a Match are never equal.
func (e *Engine) Scope(store, name string, f Filter) (*Scope, error) {
	s := &Scope{engine: e, store: store, name: name, filter: f}
	for field, v := range f.Where {
		if field == "" {
			return nil, &backend.InvalidError{Field: "where", Reason: "a field without a name"}
		}
		value, err := equalForm(field, v)
		if err != nil {
			return nil, err
		}
		s.wants = append(s.wants, want{field, f.Readers[field], value})
	}
	slices.SortFunc(s.wants, func(a, b want) int { return strings.Compare(string(a.field), string(b.field)) })
	return declare(e, "scope", store, name, s)
}

func (s *Scope) same(o declaration) bool {
	other := o.(*Scope)
	return s.filter.Match == nil && other.filter.Match == nil &&
		slices.EqualFunc(s.wants, other.wants, func(a, b want) bool { return a.field == b.field && a.by == b.by && bytes.Equal(a.value, b.value) })
}

// Close releases the scope. Call it once for each call of [Engine.Scope]; after the last Close writes no longer update
// the scope, and reads of it look at every record.
func (s *Scope) Close() { s.engine.withdraw("scope", s.store, s.name, s) }

// Build indexes the scope now, so that its first read need not.
func (s *Scope) Build() { s.members(s.engine.view(s.store)) }

// has reports whether the scope's filter accepts a record, current or past.
func (s *Scope) has(r Record) bool {
	if !r.live() {
		return false
	}
	value, err := r.Upcast()
	if err != nil {
		return false
	}
	var buf [256]byte
	for _, w := range s.wants {
		if !equals(w.field.readBy(w.by, value), w.value, buf[:0]) {
			return false
		}
	}
	return s.filter.Match == nil || s.match(r, value)
}

// decides is has under the engine's lock.
func (s *Scope) decides(r Record) bool {
	s.busy.set.Store(true)
	s.engine.calling.set.Store(true)
	defer func() {
		s.engine.calling.set.Store(false)
		s.busy.set.Store(false)
	}()
	return s.has(r)
}

// asked is has for a function of the app that is called under the engine's lock.
func (s *Scope) asked(r Record) bool {
	s.busy.enter("scope", s.name)
	defer s.busy.leave()
	return s.has(r)
}

// match calls Match. It recovers from a panic, since writers call it while they hold the engine's lock.
func (s *Scope) match(r Record, value json.RawMessage) (fits bool) {
	defer func() {
		if p := recover(); p != nil {
			s.engine.opts.Logger.Error("a scope's Match panicked; the record is taken to be outside", zap.String("scope", s.name),
				zap.String("store", s.store), zap.String("key", r.Key()), zap.Any("panic", p), zap.Stack("stack"))
			fits = false
		}
	}()
	return s.filter.Match(r, value)
}

// List yields the records in the scope that q selects; pairs are as in [Engine.List]. The time of a read of the
// present, or of a recent head, grows with the number of records in the scope; a read of another moment looks at every
// key of the store.
func (s *Scope) List(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return q.list(ctx, s.engine, s.store, s)
}

// Query returns a page of the records that List yields, see [Engine.Query].
func (s *Scope) Query(ctx context.Context, q Query) (Results, error) {
	return q.page(ctx, s.engine, s.store, s)
}

// Count returns how many records are in the scope now.
func (s *Scope) Count() int {
	v := s.engine.view(s.store)
	if m := s.members(v); m != nil {
		n := m.count.Load()
		if o := v.overlay(); !o.update() {
			return int(n)
		}
	}
	return s.count(v)
}

func (s *Scope) count(v view) (n int) {
	if v.namespace != nil {
		for range (Query{}).records(s.pick(v, Moment{}), position{}) {
			n++
		}
	}
	return n
}
