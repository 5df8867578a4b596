package companion

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"reflect"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Records are the records of one store of the log: each key has a current value, a T, and a past.
type Records[T any] struct {
	store *Store
	name  string
}

// NewRecords returns the records of T in the store of that name, 1 to 256 bytes of UTF-8. It may
// be called any number of times for the same name. A T that can't be JSON, or of which JSON has
// nothing because no field is exported, is a *backend.InvalidError.
func NewRecords[T any](s *Store, name string) (*Records[T], error) {
	if err := check[T](s, name); err != nil {
		return nil, err
	}
	return &Records[T]{store: s, name: name}, nil
}

// check reports what can't be a store of T.
func check[T any](s *Store, name string) error {
	err := checkName(name)
	if err == nil {
		err = checkType(reflect.TypeFor[T]())
	}
	if s == nil {
		err = &backend.InvalidError{Field: "store", Reason: "a nil Store: did Open fail?"}
	}
	if err == nil && !s.engine.Loaded(name) {
		err = ErrNotLoaded
	}
	if err != nil {
		return fmt.Errorf("companion: store %q: %w", name, err)
	}
	return nil
}

func checkName(store string) error {
	probe := backend.Fact{ID: "probe", Store: store, Value: []byte("0")}
	return probe.Validate()
}

// Put makes v the value of key, which must not be empty. For a valid time, a condition or several
// keys at once see [Records.Change].
func (r *Records[T]) Put(ctx context.Context, key string, v T) (Receipt, error) {
	return r.store.writeOne(ctx, r.Change(key, v))
}

// Delete retracts key: it has no value any more, and its past stays readable. A key that has none
// is retracted too.
func (r *Records[T]) Delete(ctx context.Context, key string) (Receipt, error) {
	return r.store.writeOne(ctx, r.Deletion(key))
}

// Get returns the current record of key, or ErrNotFound.
func (r *Records[T]) Get(ctx context.Context, key string) (Record[T], error) {
	return r.GetAt(ctx, key, Moment{})
}

// GetAt returns the record of key as of a moment, or ErrNotFound.
func (r *Records[T]) GetAt(ctx context.Context, key string, m Moment) (Record[T], error) {
	if err := ctx.Err(); err != nil {
		return Record[T]{}, fmt.Errorf("companion: get key %q in store %q: %w", key, r.name, err)
	}
	engine, err := r.as(ctx, m, key)
	if err != nil {
		return Record[T]{}, fmt.Errorf("companion: get key %q in store %q: %w", key, r.name, err)
	}
	found, ok := engine.GetAt(r.name, key, m)
	if !ok {
		return Record[T]{}, fmt.Errorf("%w: key %q in store %q", ErrNotFound, key, r.name)
	}
	return decode[T](found)
}

// List yields the records that q asks for; Query{} is all current ones, in the order in which their
// keys were first written. Each pair is a record and nil, or an error, which ends the loop. The
// loop's body may call any method. To see all records as of one moment while others write, give
// [AsOf] of [Store.Head]; for page after page see [Records.Next]. A field to order by that T does not
// have is a *backend.InvalidError.
func (r *Records[T]) List(ctx context.Context, q Query) iter.Seq2[Record[T], error] {
	return r.read(ctx, q.At, func(e *store.Engine) (iter.Seq[store.Record], error) {
		return e.List(r.name, q), checkQuery[T](e, r.name, q)
	})
}

// Next returns the query for the page after the one of q that ended with last, be it of all records
// or of a [Scope] of them. In the order of a field it goes on from what the log has there; where the
// Store does not hold that record any more, from what the JSON of last.Value has. After a page without
// records, where last is the zero Record, it is q.
func (r *Records[T]) Next(q Query, last Record[T]) Query {
	if last.Seq == 0 {
		return q
	}
	if held, ok := r.store.engine.GetAt(r.name, last.Key, AsOf(last.Seq)); ok && held.Seq() == last.Seq {
		return q.Next(held)
	}
	q.After, q.AfterValue = last.Key, nil
	if q.OrderBy == "" {
		return q
	}
	found, err := json.Marshal(last.Value)
	for name := range strings.SplitSeq(string(q.OrderBy), ".") {
		var object map[string]json.RawMessage
		if err == nil {
			err = json.Unmarshal(found, &object)
		}
		found = object[name]
	}
	q.AfterValue = json.RawMessage(found)
	return q
}

// checkQuery reports a query that nothing can answer, where the engine would yield nothing.
func checkQuery[T any](e *store.Engine, name string, q Query) error {
	switch {
	case q.Limit < 0:
		return &backend.InvalidError{Field: "limit", Reason: fmt.Sprint(q.Limit, " is below 0")}
	case q.OrderBy != "":
		if _, err := checkField[T](string(q.OrderBy)); err != nil {
			return err
		}
		_, err := marshal("after_value", q.AfterValue)
		return err
	case q.After != "" && !q.ByKey && e.Latest(name, q.After).Seq() == 0:
		return &backend.InvalidError{Field: "after", Reason: fmt.Sprintf("key %q is not there, or no longer: pages that survive that are asked for ByKey", q.After)}
	}
	return nil
}

// read yields what records finds in an engine that knows the store, or some keys of it, as of m.
func (r *Records[T]) read(ctx context.Context, m Moment, records func(*store.Engine) (iter.Seq[store.Record], error), keys ...string) iter.Seq2[Record[T], error] {
	return func(yield func(Record[T], error) bool) {
		var found iter.Seq[store.Record]
		engine, err := r.as(ctx, m, keys...)
		if err == nil {
			found, err = records(engine)
		}
		if err != nil {
			yield(Record[T]{}, fmt.Errorf("companion: read store %q: %w", r.name, err))
			return
		}
		typed[T](ctx, found)(yield)
	}
}

// as returns an engine that knows the store, or some keys of it, as of a moment.
func (r *Records[T]) as(ctx context.Context, m Moment, keys ...string) (*store.Engine, error) {
	if !r.store.partial || m == (Moment{}) {
		return r.store.engine, nil
	}
	return r.store.engine.Past(ctx, r.name, keys...)
}

func failed[T any](err error) iter.Seq2[Record[T], error] {
	return func(yield func(Record[T], error) bool) { yield(Record[T]{}, err) }
}

// Update makes what change returns the value of key, if nobody else has written the key in between;
// otherwise it asks change anew, until ctx is done. old.Seq is 0 if the key was never written, and
// old.Retracted is true if it was deleted. An error of change ends it, and comes back as it is.
// change may be called several times, and must not write. The backend must be able to write batches.
func (r *Records[T]) Update(ctx context.Context, key string, change func(old Record[T]) (T, error)) (Receipt, error) {
	f, err := r.store.engine.Update(ctx, r.name, key, func(found store.Record) (backend.Fact, error) {
		old, err := decode[T](found)
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

// History yields all that key ever was, retractions too, the oldest first. Pairs are as in List.
func (r *Records[T]) History(ctx context.Context, key string) iter.Seq2[Record[T], error] {
	return r.read(ctx, Moment{Seq: math.MaxUint64}, func(e *store.Engine) (iter.Seq[store.Record], error) {
		return e.History(r.name, key), nil
	}, key)
}

// Retain says what [Store.Compact] keeps of the records.
func (r *Records[T]) Retain(rule Retention) error { return retain(r.store, r.name, rule) }

func retain(s *Store, name string, rule Retention) error {
	if err := s.engine.Retain(name, rule); err != nil {
		return fmt.Errorf("companion: retain store %q: %w", name, err)
	}
	return nil
}

// typed decodes records until one can't be, or ctx is done.
func typed[T any](ctx context.Context, records iter.Seq[store.Record]) iter.Seq2[Record[T], error] {
	return func(yield func(Record[T], error) bool) {
		if err := ctx.Err(); err != nil { // also where there is nothing to yield
			yield(Record[T]{}, err)
			return
		}
		for found := range records {
			var record Record[T]
			err := ctx.Err()
			if err == nil {
				record, err = decode[T](found)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}
