package companion

import (
	"context"
	"iter"
	"time"

	"github.com/igniter-store/igniter/store"
)

// A History is a store of events: facts that are added and never changed, each a T under a key of
// its own.
type History[T any] struct {
	store *Store
	name  string
}

// NewHistory returns the history of T in the store of that name, 1 to 256 bytes of UTF-8. It may
// be called any number of times for the same name.
func NewHistory[T any](s *Store, name string) (*History[T], error) {
	if err := s.checkName(name); err != nil {
		return nil, err
	}
	return &History[T]{store: s, name: name}, nil
}

// Append adds an event. For a valid time see [History.Event].
func (h *History[T]) Append(ctx context.Context, v T) (Receipt, error) {
	return h.store.writeOne(ctx, h.Event(v))
}

// Since yields the events with a seq above after (0: all), in the order of the log, up to the last
// one there is when the loop begins. Each pair is an event and nil, or an error, which ends the
// loop.
func (h *History[T]) Since(ctx context.Context, after uint64) iter.Seq2[Record[T], error] {
	return typed[T](ctx, h.store.engine.Facts(h.name, after))
}

// SinceTime yields the events that the log took in at t or later, otherwise like Since.
func (h *History[T]) SinceTime(ctx context.Context, t time.Time) iter.Seq2[Record[T], error] {
	return typed[T](ctx, h.store.engine.FactsSince(h.name, t))
}

// Tail yields the events with a seq above after, and then each new one as it comes, until ctx is done
// or the Store is closed, which is the error that ends it. A slow loop misses nothing.
func (h *History[T]) Tail(ctx context.Context, after uint64) iter.Seq2[Record[T], error] {
	return func(yield func(Record[T], error) bool) {
		for found, err := range h.store.engine.Tail(ctx, h.name, after) {
			var event Record[T]
			if err == nil {
				event, err = decode[T](found)
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Retain says how long [Store.Compact] keeps events: for window.
func (h *History[T]) Retain(window time.Duration) error {
	return h.store.engine.Retain(h.name, Retention{Window: window, Events: true})
}

// A Partition finds the events of a History by what they have in a field.
type Partition[T any] struct {
	history *History[T]
	index   *store.Index
}

// Partition returns the partition of the events by a field, such as "customer" or "address.city": one
// that T does not have is a *backend.InvalidError. Its index is built on first use: make it once.
func (h *History[T]) Partition(field string) (*Partition[T], error) {
	index, err := indexOf[T](h.store, h.name, field)
	if err != nil {
		return nil, err
	}
	return &Partition[T]{h, index}, nil
}

// Since yields the events that have v in the field and a seq above after (0: all), in the order of
// the log. Pairs are as in [History.Since].
func (p *Partition[T]) Since(ctx context.Context, v any, after uint64) iter.Seq2[Record[T], error] {
	found, err := p.index.List(v, Moment{})
	if err != nil {
		return failed[T](err)
	}
	return typed[T](ctx, func(yield func(store.Record) bool) {
		for r := range found {
			if r.Seq() > after && !yield(r) {
				return
			}
		}
	})
}
