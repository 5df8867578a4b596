// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"iter"
	"time"
)

// Events are the events of one store of the log: facts that are added and never changed, each a T under
// a key of its own.
type Events[T any] struct{ source[T] }

// NewEvents returns the events of T in the store of that name, see [NewRecords].
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
// one there is when the loop begins. Pairs are as in [Records.List]: an event whose value can't be decoded as a T
// comes without Value and with a *DecodeError, and the loop goes on.
//
// If events after the seq were compacted, the loop says so before it yields what is left: the first pair is an error that is
// ErrCompacted, and the loop goes on unless its body ends it. This holds for all loops over events and histories.
//
// A consumer that goes on after a restart keeps a cursor, not a seq alone, and passes what [Store.Resume] returns: the log may
// have been restored to an earlier seq, and have grown past it since.
func (e *Events[T]) Since(ctx context.Context, after uint64) iter.Seq2[Record[T], error] {
	return e.typed(ctx, e.store.engine.Facts(ctx, e.name, after))
}

// SinceTime is Since for the events with a transaction time of t or later.
func (e *Events[T]) SinceTime(ctx context.Context, t time.Time) iter.Seq2[Record[T], error] {
	return e.typed(ctx, e.store.engine.FactsSince(ctx, e.name, t))
}

// Tail yields the events with a seq above after, and then each new one as it comes, until ctx is done
// or the Store is closed, which is the error that ends it. A slow loop misses nothing but what is compacted before it
// gets there, which is ErrCompacted, as in Since. To go on after a restart, see [Store.Resume].
func (e *Events[T]) Tail(ctx context.Context, after uint64) iter.Seq2[Record[T], error] {
	return e.typed(ctx, e.store.engine.Tail(ctx, e.name, after))
}

// Retain sets how long [Store.Compact] keeps events: for window, by the log's own times.
func (e *Events[T]) Retain(window time.Duration) error {
	return e.retain(Retention{Window: window, Events: true})
}
