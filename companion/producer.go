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

// WithProducer returns a context whose writes say that p wrote them: any value that can be JSON,
// such as map[string]any{"user": "ana", "why": "typo"}. It replaces one given before. A value that
// can't be JSON is reported by the write.
func WithProducer(ctx context.Context, p any) context.Context {
	text, err := marshal("producer", p)
	return context.WithValue(ctx, producerKey{}, producerValue{text, err})
}

func producer(ctx context.Context) (json.RawMessage, error) {
	p, _ := ctx.Value(producerKey{}).(producerValue)
	return p.text, p.err
}
