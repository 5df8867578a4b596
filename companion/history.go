package companion

import (
	"context"
	"iter"
	"time"
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
	if err := checkName(name); err != nil {
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
