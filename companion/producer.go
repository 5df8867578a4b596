package companion

import (
	"context"
	"encoding/json"
)

type producerKey struct{}

type producerValue struct {
	text json.RawMessage
	err  error
}

// WithProducer returns a context whose writes have p as their producer: any value that can be JSON,
// such as map[string]any{"user": "ana", "why": "typo"}. It replaces the producer of ctx. A value that
// can't be JSON is reported by the write. Options.Trace adds a trace ID.
func WithProducer(ctx context.Context, p any) context.Context {
	text, err := marshal("producer", p)
	return context.WithValue(ctx, producerKey{}, producerValue{text, err})
}

// producer returns the producer of ctx, with the trace ID of Options.Trace as its field "trace". A producer
// that is not a JSON object becomes the field "by" beside it.
func (s *Store) producer(ctx context.Context) (json.RawMessage, error) {
	p, _ := ctx.Value(producerKey{}).(producerValue)
	if p.err != nil || s.trace == nil {
		return p.text, p.err
	}
	trace := s.trace(ctx)
	if trace == "" {
		return p.text, nil
	}
	fields := map[string]any{}
	if p.text != nil && json.Unmarshal(p.text, &fields) != nil {
		fields = map[string]any{"by": p.text}
	}
	if fields == nil { // null
		fields = map[string]any{}
	}
	fields["trace"] = trace
	return marshal("producer", fields)
}
