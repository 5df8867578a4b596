// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"errors"
	"iter"

	"github.com/igniter-store/igniter/store"
)

// Results is a page of the records that a Query selects.
type Results[T any] struct {
	Records []Record[T] `json:"records"`
	Next    string      `json:"next,omitempty"` // the Query.Cursor of the next page; "": none
}

// list decodes the records that list yields for q.
func (s *source[T]) list(ctx context.Context, q Query, list func(context.Context, Query) iter.Seq2[store.Record, error]) iter.Seq2[Record[T], error] {
	return func(yield func(Record[T], error) bool) {
		q, err := ordered[T](q)
		if err != nil {
			yield(Record[T]{}, s.readError(err))
			return
		}
		s.typed(ctx, list(ctx, q))(yield)
	}
}

// query returns the page that the engine's query returns for q.
func (s *source[T]) query(ctx context.Context, q Query, query func(context.Context, Query) (store.Results, error)) (Results[T], error) {
	var found store.Results
	q, err := ordered[T](q)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		found, err = query(ctx, q)
	}
	if err != nil {
		return Results[T]{}, s.readError(err)
	}
	page := Results[T]{make([]Record[T], len(found.Records)), found.Next}
	var failed []error
	for i, r := range found.Records {
		if page.Records[i], err = s.decode(r); err != nil {
			failed = append(failed, err)
		}
	}
	return page, errors.Join(failed...)
}

// ordered returns q with the reader of T for the field of OrderBy. A field that T does not have is an error.
func ordered[T any](q Query) (Query, error) {
	if q.OrderBy == "" {
		return q, nil
	}
	path, err := pathOf[T](string(q.OrderBy))
	return q.ReadBy(path), err
}
