// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Records are the records of one store of the log: each key has a current value, a T, and a past. The current value is
// the one that was written last, whatever its valid time; see [ValidNow] for the one that is valid now.
type Records[T any] struct{ source[T] }

// NewRecords returns the records of T in the store of that name, 1 to 256 bytes of UTF-8. It may
// be called any number of times for the same name. A store that is not loaded is ErrNotLoaded.
//
// A T whose values encoding/json can't write and read again is a *backend.InvalidError that says why: a T, or a
// type of a field, that is an interface other than any, that has MarshalJSON or MarshalText and no method to read
// that, whose method to read is not one of the pointer, that has no exported field, or that embeds a type such as
// time.Time, whose JSON then stands for the whole. Methods of pointers write values too, but for values in maps,
// where encoding/json does not call them. Values of any are looked at as they are written.
func NewRecords[T any](s *Store, name string) (*Records[T], error) {
	of, err := newSource[T](s, name)
	if err != nil {
		return nil, err
	}
	return &Records[T]{of}, nil
}

// Put makes v the value of key, which must not be empty. For a valid time, a condition or several
// keys at once see [Records.Change].
func (r *Records[T]) Put(ctx context.Context, key string, v T) (Receipt, error) {
	return r.store.writeOne(ctx, r.Change(key, v))
}

// Delete retracts key: it has no value any more, and its past stays readable. A key without a value is
// retracted too.
func (r *Records[T]) Delete(ctx context.Context, key string) (Receipt, error) {
	return r.store.writeOne(ctx, r.Deletion(key))
}

// Get returns the current record of key, the one that was written last, or ErrNotFound. If the key was deleted, the
// deletion comes with ErrNotFound: a record that is Retracted, with its ID and times.
func (r *Records[T]) Get(ctx context.Context, key string) (Record[T], error) {
	return r.GetAt(ctx, key, Moment{})
}

// GetAt returns the record of key as of m, or ErrNotFound with the deletion as in Get. If its value is no T, it returns the
// record without Value and a *DecodeError. A store that this process may not read now is backend.ErrForbidden, here and in
// all reads.
func (r *Records[T]) GetAt(ctx context.Context, key string, m Moment) (Record[T], error) {
	found, ok, err := r.store.engine.GetAt(ctx, r.name, key, m)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return Record[T]{}, fmt.Errorf("companion: get key %q in store %q: %w", key, r.name, err)
	}
	record, err := r.decode(found)
	if err == nil && !ok {
		err = fmt.Errorf("companion: get key %q in store %q: %w", key, r.name, ErrNotFound)
	}
	return record, err
}

// List yields the records that q asks for; Query{} is all current ones, in the order in which their
// keys were first written. They are of one state of the log: the head when the loop begins, or q.At. The loop's
// body may call any method.
//
// Each pair is a record and nil; or a record without Value and a *DecodeError, if its value is no T, after which the
// loop goes on; or the zero Record and another error, which ends the loop.
//
// A field to order by that T does not have is a *backend.InvalidError; values are in the order of its type: times by their
// instants, numbers as numbers even if they are in strings (the tag option "string", types such as decimals whose method
// Cmp or Compare orders numbers), numbers that are words in JSON by their Go values. Otherwise it is the order of the JSON
// that the type writes, see store.Query.
func (r *Records[T]) List(ctx context.Context, q Query) iter.Seq2[Record[T], error] {
	return r.list(ctx, q, func(ctx context.Context, q Query) iter.Seq2[store.Record, error] {
		return r.store.engine.List(ctx, r.name, q)
	})
}

// Query returns a page of the records that List yields, and where the next page begins. If values are no T, it returns
// the whole page, with their records without Value, and their *DecodeErrors joined.
func (r *Records[T]) Query(ctx context.Context, q Query) (Results[T], error) {
	return r.query(ctx, q, func(ctx context.Context, q Query) (store.Results, error) {
		return r.store.engine.Query(ctx, r.name, q)
	})
}

// Update calls change with the latest record of key, and makes what it returns the value of key. If
// someone else has written the key in between, it calls change again, until ctx is done. old.Seq is 0
// if the key was never written, and old.Retracted is true if it was deleted. An error of change ends
// Update, whose error wraps it. change may be called several times, and must not write. The backend
// must be able to write batches.
//
// A value that has a field which T lacks, such as one of a newer release, is a *backend.InvalidError that names it, since
// writing a T would drop it: add the field, let [Records.Upcast] drop it, or write with Change and IfLatest.
func (r *Records[T]) Update(ctx context.Context, key string, change func(old Record[T]) (T, error)) (Receipt, error) {
	f, err := r.store.engine.Update(ctx, r.name, key, func(found store.Record) (backend.Fact, error) {
		old, err := r.decode(found)
		if err == nil {
			err = r.holds(found)
		}
		if err != nil {
			return backend.Fact{}, err
		}
		v, err := change(old)
		if err != nil {
			return backend.Fact{}, err
		}
		return r.store.complete(ctx, r.Change(key, v))
	})
	if err != nil {
		return Receipt{}, fmt.Errorf("companion: update key %q in store %q: %w", key, r.name, err)
	}
	return receipt(f), nil
}

// History yields the facts of key that are visible as of m, retractions too, the oldest first; with
// m.Valid, it yields only facts that are valid by then. The zero Moment is all facts. Pairs are as in
// List.
func (r *Records[T]) History(ctx context.Context, key string, m Moment) iter.Seq2[Record[T], error] {
	return r.typed(ctx, r.store.engine.History(ctx, r.name, key, m))
}

// Retain sets what [Store.Compact] keeps of the records. Setting the same again is harmless; something else is a
// *backend.InvalidError, unless the zero Retention was set in between.
func (r *Records[T]) Retain(rule Retention) error { return r.retain(rule) }
