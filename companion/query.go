package companion

import (
	"context"
	"iter"

	"github.com/igniter-store/igniter/store"
)

// Results is a page of the records that a Query asks for.
type Results[T any] struct {
	Records []Record[T]
	Next    string // the Query.Cursor of the next page; "": there is none
}

// list yields the records that q asks for, as the engine yields them.
func (s *source[T]) list(ctx context.Context, q Query, records iter.Seq2[store.Record, error]) iter.Seq2[Record[T], error] {
	return func(yield func(Record[T], error) bool) {
		if err := checkOrder[T](q); err != nil {
			yield(Record[T]{}, s.readError(err))
			return
		}
		s.typed(ctx, records)(yield)
	}
}

// query returns the page that the engine's query returns for q.
func (s *source[T]) query(ctx context.Context, q Query, query func(context.Context, Query) (store.Results, error)) (Results[T], error) {
	var found store.Results
	err := checkOrder[T](q)
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
	for i, r := range found.Records {
		if page.Records[i], err = s.decode(r); err != nil {
			return Results[T]{}, err
		}
	}
	return page, nil
}

// checkOrder reports a field to order by that T does not have.
func checkOrder[T any](q Query) (err error) {
	if q.OrderBy != "" {
		_, err = checkField[T](string(q.OrderBy))
	}
	return err
}
