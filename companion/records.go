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
// the value that was written last, whatever its valid time; see [ValidNow] for the value that is valid now.
type Records[T any] struct{ source[T] }

// NewRecords returns the records of type T in the store with the given name, 1 to 256 bytes of UTF-8. It may be called
// any number of times for the same name. A store that is not loaded is ErrNotLoaded.
//
// If encoding/json can't write values of T and read them back, the error is a *backend.InvalidError that says why. T
// and the types of its fields must follow these rules:
//
//   - No interface other than any.
//   - A type with MarshalJSON or MarshalText needs UnmarshalJSON or UnmarshalText, as a method of the pointer, unless encoding/json reads the type back without it.
//   - A struct with fields needs an exported field.
//   - A struct must not embed a type with its own JSON, such as time.Time, whose JSON would replace the whole struct's.
//   - The values of a map must not have MarshalJSON as a method of the pointer, since encoding/json does not call it there.
//
// Values inside an any are checked when they are written.
func NewRecords[T any](s *Store, name string) (*Records[T], error) {
	of, err := newSource[T](s, name)
	if err != nil {
		return nil, err
	}
	return &Records[T]{of}, nil
}

// Put makes v the value of key. key must not be empty. For a valid time, a condition or several keys at once see
// [Records.Change].
func (r *Records[T]) Put(ctx context.Context, key string, v T) (Receipt, error) {
	return r.store.writeOne(ctx, r.Change(key, v))
}

// Delete retracts key: the key has no value any more, and its past stays readable. Delete also writes a retraction if
// the key has no value.
func (r *Records[T]) Delete(ctx context.Context, key string) (Receipt, error) {
	return r.store.writeOne(ctx, r.Deletion(key))
}

// Get returns the current record of key, which is the record that was written last, or ErrNotFound. If the key was
// deleted, Get returns the deletion together with ErrNotFound: a record with Retracted set, its ID and its times.
func (r *Records[T]) Get(ctx context.Context, key string) (Record[T], error) {
	return r.GetAt(ctx, key, Moment{})
}

// GetAt returns the record of key as of m, or ErrNotFound as in Get. If the value can't be decoded as a T, GetAt
// returns the record without Value and a *DecodeError. As in all reads, the error is backend.ErrForbidden if this
// process may not read the store now.
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

// List yields the records that q selects; Query{} selects all current records, in the order in which their keys were
// first written. All are of one state of the log: the head when the loop begins, or q.At. The loop's body may call any
// method.
//
// Each pair is a record and nil; or, if the value can't be decoded as a T, a record without Value and a *DecodeError,
// after which the loop goes on; or the zero Record and another error, which ends the loop.
//
// With q.OrderBy, records are in the order of the field's type. Times are ordered by their instants. Numbers are
// ordered by value even if the JSON has them as strings: with the tag option "string", in types such as decimals whose
// method Cmp or Compare orders numbers, and in number types that write words. Other types are ordered by the JSON that
// they write, see store.Query. A field that T does not have is a *backend.InvalidError.
func (r *Records[T]) List(ctx context.Context, q Query) iter.Seq2[Record[T], error] {
	return r.list(ctx, q, func(ctx context.Context, q Query) iter.Seq2[store.Record, error] {
		return r.store.engine.List(ctx, r.name, q)
	})
}

// Query returns a page of the records that List yields, and where the next page begins. If values can't be decoded as a
// T, Query still returns the whole page, with these records without Value, and their *DecodeErrors joined.
func (r *Records[T]) Query(ctx context.Context, q Query) (Results[T], error) {
	return r.query(ctx, q, func(ctx context.Context, q Query) (store.Results, error) {
		return r.store.engine.Query(ctx, r.name, q)
	})
}

// Update calls change with the latest record of key, and writes the result as the value of key. If the key was written
// in between, Update calls change again, until ctx is done. old.Seq is 0 if the key was never written, and
// old.Retracted is true if it was deleted. If change returns an error, Update returns an error that wraps it. change
// may be called several times, and must not write. The backend must be able to write batches.
//
// If the old value has a field that T lacks, for instance because a newer release wrote it, writing a T would drop the
// field. Update then returns a *backend.InvalidError that names the field: add it to T, let [Records.Upcast] drop it,
// or write with Change and IfLatest.
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

// History yields the facts of key that are visible as of m, retractions too, the oldest first. With m.Valid it yields
// only facts that became valid at that time or earlier. The zero Moment yields all facts. Pairs are as in
// [Records.List].
func (r *Records[T]) History(ctx context.Context, key string, m Moment) iter.Seq2[Record[T], error] {
	return r.typed(ctx, r.store.engine.History(ctx, r.name, key, m))
}

// Retain sets what [Store.Compact] keeps of the records. Retain may be called again with the same Retention. Another
// Retention is a *backend.InvalidError, unless the zero Retention was set in between.
func (r *Records[T]) Retain(rule Retention) error { return r.retain(rule) }
