package companion

import (
	"context"
	"fmt"
	"iter"
	"reflect"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A Partition finds Events by what they have in a field.
type Partition[T any] struct {
	of    *Events[T]
	index *store.Index
	name  string               // of the field
	field *reflect.StructField // nil: not known
}

// Partition returns the partition of the events by a field, such as "customer" or "address.city". A field
// that T does not have is a *backend.InvalidError. Each Partition keeps an index, which is built on first use
// and kept up by each write: make it once.
func (e *Events[T]) Partition(field string) (*Partition[T], error) {
	found, err := checkField[T](field)
	var index *store.Index
	if err == nil {
		index, err = e.store.engine.Index(e.name, store.Field(field))
	}
	if err != nil {
		return nil, fmt.Errorf("companion: partition store %q by %q: %w", e.name, field, err)
	}
	return &Partition[T]{e, index, field, found}, nil
}

// Since yields the events that have v in the field and a seq above after (0: all), in the order of
// the log. Pairs are as in [Events.Since]; a v that the field never has in JSON is a *backend.InvalidError.
func (p *Partition[T]) Since(ctx context.Context, v any, after uint64) iter.Seq2[Record[T], error] {
	return p.of.typed(ctx, func(yield func(store.Record, error) bool) {
		form, err := wanted(p.name, p.field, v)
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		if h := p.of.store.engine.Horizon(p.of.name); after < h.Seq && !yield(store.Record{}, &backend.CompactedError{Store: p.of.name, Horizon: h}) {
			return
		}
		for r, err := range p.index.List(ctx, form, Moment{}) {
			if (err != nil || r.Seq() > after) && !yield(r, err) {
				return
			}
		}
	})
}
