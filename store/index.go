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
}

// Index returns the index of a store by a field. It is built on first use and kept up by each write from
// then on, for as long as the engine is open: make it once.
func (e *Engine) Index(store string, field Field) (*Index, error) {
	if field == "" {
		return nil, &backend.InvalidError{Field: "field", Reason: "a field without a name"}
	}
	return &Index{engine: e, store: store, field: field}, nil
}

// Build builds the index now, so that its first read need not.
func (x *Index) Build() { x.postings(x.engine.view(x.store)) }

// List yields the records whose field equals v, a Go value that becomes JSON, as of a moment, in the order in
// which their keys were first written. Values are equal as in [Filter]; a missing field does not equal
// null. Pairs are as in [Engine.List]; a v that can't become JSON is a *backend.InvalidError.
//
// Reads of the present, or of a recent head, take time by the number of records found; reads of other moments
// look at every key of the store.
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
		for v.namespace != nil && values == nil { // facts were dropped in between
			v = x.engine.view(x.store)
			values = x.postings(v)
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

// token returns the value of the field in a record, in the form of appendEqual.
func (x *Index) token(r Record) (string, bool) {
	if !r.live() {
		return "", false
	}
	value, err := r.Upcast()
	if err != nil {
		return "", false
	}
	found := x.field.of(value)
	if found == nil {
		return "", false
	}
	form, err := appendEqual(make([]byte, 0, len(found)), found)
	return string(form), err == nil
}
