// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// An Index finds the current records of a store by the value of a field. Over a history, where each event
// has its own key, its values are the history's partitions. Its methods may be called concurrently.
type Index struct {
	engine *Engine
	store  string
	field  Field
	busy   busy
	by     FieldReader // nil: JSON
	holders
}

// Index returns the index of a store by a field. If by is given, it reads the field. Each call returns the same index.
// The index is built on first use; each later write updates it, until [Index.Close].
func (e *Engine) Index(store string, field Field, by ...FieldReader) (*Index, error) {
	if field == "" {
		return nil, &backend.InvalidError{Field: "field", Reason: "a field without a name"}
	}
	x := &Index{engine: e, store: store, field: field}
	if len(by) > 0 {
		x.by = by[0]
	}
	return declare(e, "index", store, x.name(), x)
}

// An indexName is the name of an index among others of its store.
type indexName struct {
	field Field
	by    FieldReader
}

func (x *Index) name() indexName { return indexName{x.field, x.by} }

func (x *Index) same(declaration) bool { return true } // its name says all

// Close releases the index. Call it once for each call of [Engine.Index]; after the last Close writes no longer update
// the index, and reads of it look at every record.
func (x *Index) Close() { x.engine.withdraw("index", x.store, x.name(), x) }

// Build builds the index now, so that its first read need not.
func (x *Index) Build() { x.postings(x.engine.view(x.store)) }

// List yields the records whose field equals v, a Go value that becomes JSON, as of a moment, in the order in
// which their keys were first written. Values are equal as in [Filter]; a missing field does not equal
// null. Pairs are as in [Engine.List]; a v that can't become JSON is a *backend.InvalidError.
//
// The time of a read of the present, or of a recent head, grows with the number of records found; a read of
// another moment looks at every key of the store.
func (x *Index) List(ctx context.Context, v any, m Moment) iter.Seq2[Record, error] {
	return records(func() (iter.Seq2[Record, error], error) {
		want, err := equalForm(x.field, v)
		if err != nil {
			return nil, fmt.Errorf("store: index by %q: %w", x.field, err)
		}
		return x.find(ctx, m, want)
	})
}

// find returns the records whose field equals one of wanted.
func (x *Index) find(ctx context.Context, m Moment, wanted ...[]byte) (iter.Seq2[Record, error], error) {
	v, err := x.engine.viewAt(ctx, x.store, &m)
	if err != nil {
		return nil, fmt.Errorf("store: index by %q: %w", x.field, err)
	}
	if v.namespace == nil {
		return none, nil
	}
	p := pick{view: v.asOf(&m), moment: m, fits: func(r Record) bool {
		token, ok := x.token(r)
		return ok && slices.ContainsFunc(wanted, func(w []byte) bool { return string(w) == token })
	}}
	if m.timeless() && p.recent() {
		if values := x.postings(p.view); values != nil {
			return values.find(p.view, wanted, p.fits), nil
		}
	}
	return Query{}.records(p, position{}), nil
}

// Values yields the values that the field has in current records, as JSON, in no particular order.
func (x *Index) Values() iter.Seq[string] {
	return func(yield func(string) bool) {
		v := x.engine.view(x.store)
		values := x.postings(v)
		if v.namespace != nil && values == nil && (x.closed.Load() || x.engine.reentered()) {
			x.scan(v)(yield)
			return
		}
		for v.namespace != nil && values == nil { // facts were dropped in between
			v = x.engine.view(x.store)
			if values = x.postings(v); x.closed.Load() {
				x.scan(v)(yield)
				return
			}
		}
		if v.namespace == nil {
			return
		}
		for _, token := range values.tokens(v) {
			if !yield(token) {
				return
			}
		}
	}
}

// scan yields what Values yields, from all records.
func (x *Index) scan(v view) iter.Seq[string] {
	return func(yield func(string) bool) {
		seen := make(map[string]bool)
		for r := range (Query{}).records(pick{view: v}, position{}) {
			if token, ok := x.token(r); ok && !seen[token] {
				if seen[token] = true; !yield(token) {
					return
				}
			}
		}
	}
}

// token returns the value of the field in a record, in the form of appendEqual.
func (x *Index) token(r Record) (string, bool) {
	if !r.live() {
		return "", false
	}
	value, err := r.Upcast()
	if err != nil {
		return "", false
	}
	found := x.field.readBy(x.by, value)
	if found == nil {
		return "", false
	}
	form, err := appendEqual(make([]byte, 0, len(found)), found)
	return string(form), err == nil
}
