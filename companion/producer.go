// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

type producerKey struct{}

type producerValue struct {
	text json.RawMessage
	err  error
}

// WithProducer returns a context whose writes have p as their producer: any value that can be JSON, such as
// map[string]any{"user": "ana", "why": "typo"}. It replaces the producer of ctx. If p can't be JSON, the write returns
// an error. Options.Trace adds a trace ID and changes nothing else.
func WithProducer(ctx context.Context, p any) context.Context {
	text, err := marshal("producer", p)
	return context.WithValue(ctx, producerKey{}, producerValue{text, err})
}

// producer returns the producer of ctx, with the trace ID of Options.Trace added as its field "trace". A producer that
// is not a JSON object, or has a different "trace", becomes the field "by" beside it.
func (s *Store) producer(ctx context.Context) (json.RawMessage, error) {
	p, _ := ctx.Value(producerKey{}).(producerValue)
	if p.err != nil || s.trace == nil {
		return p.text, p.err
	}
	id := s.trace(ctx)
	if id == "" {
		return p.text, nil
	}
	trace, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	isObject := len(p.text) > 0 && p.text[0] == '{' // marshal leaves no white space
	own := jsonvalue.Member(p.text, "trace")
	switch {
	case backend.IsNull(p.text) || len(p.text) == 0 || string(p.text) == "{}":
		return fmt.Appendf(nil, `{"trace":%s}`, trace), nil
	case isObject && own == nil:
		return fmt.Appendf(nil, `{"trace":%s,%s`, trace, p.text[1:]), nil
	case isObject && sameText(own, id):
		return p.text, nil
	}
	return fmt.Appendf(nil, `{"by":%s,"trace":%s}`, p.text, trace), nil
}

// sameText reports whether JSON is the string s.
func sameText(text []byte, s string) bool {
	own, ok := jsonvalue.Text(text)
	return ok && own == s
}
