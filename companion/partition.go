// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A Partition finds Events by the value of a field.
type Partition[T any] struct {
	of    *Events[T]
	index *store.Index
	name  string // of the field
	path  *jsonPath
}

// Partition returns the partition of the events by a field, such as "customer" or "address.city". A field that T does
// not have is a *backend.InvalidError. A Partition keeps an index, which is built on first use; each later write
// updates it, until [Partition.Close]. Partitions by the same field share the index.
func (e *Events[T]) Partition(field string) (*Partition[T], error) {
	path, err := pathOf[T](field)
	var index *store.Index
	if err == nil {
		index, err = e.store.engine.Index(e.name, store.Field(field), path)
	}
	if err != nil {
		return nil, fmt.Errorf("companion: partition store %q by %q: %w", e.name, field, err)
	}
	return &Partition[T]{e, index, field, path}, nil
}

// Close releases the partition. Call it once for each call of [Events.Partition]; after the last Close writes no longer
// update the index, and reads look at every event.
func (p *Partition[T]) Close() { p.index.Close() }

// Undecoded returns an *UndecodedError if the values of events can't be decoded as a T, or nil. An event whose value
// can't be upcast has nothing in the field, and is in no partition. Undecoded looks at every event.
func (p *Partition[T]) Undecoded(ctx context.Context) error { return p.of.undecoded(ctx) }

// Since yields the events that have v in the field, as in [Filter], and a seq above after (0: all), in the order of
// the log. Pairs are as in [Events.Since]; a v that the field can't have in JSON is a *backend.InvalidError.
// Events whose values can't be upcast are left out; [Partition.Undecoded] counts them.
func (p *Partition[T]) Since(ctx context.Context, v any, after uint64) iter.Seq2[Record[T], error] {
	return p.of.typed(ctx, func(yield func(store.Record, error) bool) {
		form, err := p.path.wanted(p.name, v)
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		if e := p.of.store.engine; after > e.Head() { // the log may end before after
			err := e.Sync(ctx)
			if err == nil {
				_, err = e.Resume(ctx, backend.Cursor{Seq: after})
			}
			if err != nil {
				yield(store.Record{}, fmt.Errorf("companion: partition %q: %w", p.name, err))
				return
			}
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
