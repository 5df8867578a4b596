// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"iter"
	"time"
)

// Events are the events of one store of the log: facts that are added and never changed. Each is a T under its own key.
type Events[T any] struct{ source[T] }

// NewEvents returns the events of type T in the store with the given name, see [NewRecords].
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

// Since yields the events with a seq above after (0: all), in the order of the log, up to the last event when the loop
// begins. Pairs are as in [Records.List]: an event whose value can't be decoded as a T comes without Value and with a
// *DecodeError, and the loop goes on.
//
// If events after the seq were compacted, the first pair is an error that is ErrCompacted. If the loop goes on, the
// events that are left follow. The same holds for all loops over events and histories.
//
// To go on after a restart, keep a cursor, not a seq alone, and pass the result of [Store.Resume]: the log may have
// been restored to an earlier seq and have grown past it since.
func (e *Events[T]) Since(ctx context.Context, after uint64) iter.Seq2[Record[T], error] {
	return e.typed(ctx, e.store.engine.Facts(ctx, e.name, after))
}

// SinceTime is Since for the events with a transaction time of t or later.
func (e *Events[T]) SinceTime(ctx context.Context, t time.Time) iter.Seq2[Record[T], error] {
	return e.typed(ctx, e.store.engine.FactsSince(ctx, e.name, t))
}

// Tail yields the events with a seq above after, and then each new event, until ctx is done or the Store is closed; it
// ends with that error. A slow loop misses only events that are compacted before the loop reaches them; it then gets
// ErrCompacted, as in Since. To go on after a restart, see [Store.Resume].
func (e *Events[T]) Tail(ctx context.Context, after uint64) iter.Seq2[Record[T], error] {
	return e.typed(ctx, e.store.engine.Tail(ctx, e.name, after))
}

// Retain sets for how long [Store.Compact] keeps events, by their transaction times.
func (e *Events[T]) Retain(window time.Duration) error {
	return e.retain(Retention{Window: window, Events: true})
}
