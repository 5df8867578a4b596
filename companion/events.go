package companion

import (
	"context"
	"iter"
	"time"
)

// Events are the events of one store of the log: facts that are added and never changed, each a T under
// a key of its own.
type Events[T any] struct{ source[T] }

// NewEvents returns the events of T in the store of that name, as [NewRecords].
func NewEvents[T any](s *Store, name string) (*Events[T], error) {
	of, err := newSource[T](s, name)
	if err != nil {
		return nil, err
	}
	return &Events[T]{of}, nil
}

// Append adds an event. For a valid time see [Events.Event].
func (e *Events[T]) Append(ctx context.Context, v T) (Receipt, error) {
	return e.store.writeOne(ctx, e.Event(v))
}

// Since yields the events with a seq above after (0: all), in the order of the log, up to the last
// one there is when the loop begins. Pairs are as in [Records.List]: an event whose value is no T comes without
// Value and with a *DecodeError, and the loop goes on.
func (e *Events[T]) Since(ctx context.Context, after uint64) iter.Seq2[Record[T], error] {
	return e.typed(ctx, e.store.engine.Facts(ctx, e.name, after))
}

// SinceTime yields the events with a transaction time of t or later; otherwise it is as Since.
func (e *Events[T]) SinceTime(ctx context.Context, t time.Time) iter.Seq2[Record[T], error] {
	return e.typed(ctx, e.store.engine.FactsSince(ctx, e.name, t))
}

// Tail yields the events with a seq above after, and then each new one as it comes, until ctx is done
// or the Store is closed, which is the error that ends it. A slow loop misses nothing.
func (e *Events[T]) Tail(ctx context.Context, after uint64) iter.Seq2[Record[T], error] {
	return e.typed(ctx, e.store.engine.Tail(ctx, e.name, after))
}

// Retain sets how long [Store.Compact] keeps events: for window.
func (e *Events[T]) Retain(window time.Duration) error {
	return e.retain(Retention{Window: window, Events: true})
}
