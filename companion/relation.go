package companion

import (
	"context"
	"fmt"
	"iter"
	"reflect"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A Relation says that each M belongs to the O whose key it has in a field.
type Relation[O, M any] struct {
	store    *Store
	relation *store.Relation
}

// NewRelation returns the relation of each of many to the one whose key it has in field, a string or
// a number. A field that M does not have is a *backend.InvalidError. Its index is built on first
// use and kept up by each write: make it once.
func NewRelation[O, M any](one *Records[O], many *Records[M], field string) (*Relation[O, M], error) {
	if one == nil || many == nil {
		return nil, fmt.Errorf("companion: relation: %w", &backend.InvalidError{Field: "records", Reason: "nil Records: did NewRecords fail?"})
	}
	failed := func(err error) (*Relation[O, M], error) {
		return nil, fmt.Errorf("companion: relation of %q to %q: %w", many.name, one.name, err)
	}
	if one.store != many.store {
		return failed(&backend.InvalidError{Field: "store", Reason: "they are in different Stores"})
	}
	found, err := checkField[M](field)
	if err == nil && found != nil && !canBeKey(found.Type) {
		err = &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%v is no key: a string or a number is", found.Type)}
	}
	if err != nil {
		return failed(err)
	}
	relation, err := one.store.engine.Relation(one.name, many.name, store.Field(field))
	if err != nil {
		return failed(err)
	}
	return &Relation[O, M]{one.store, relation}, nil
}

// canBeKey reports whether a type can be a string or a number in JSON.
func canBeKey(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		return writesItself(t) || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
	}
	return true
}

// Many yields what belongs to the one with a key as of a moment, in the order in which it was first
// written. Pairs are as in [Records.List].
func (r *Relation[O, M]) Many(ctx context.Context, key string, m Moment) iter.Seq2[Record[M], error] {
	return func(yield func(Record[M], error) bool) {
		relation, err := r.as(ctx, m)
		if err != nil {
			yield(Record[M]{}, fmt.Errorf("companion: read what belongs to key %q: %w", key, err))
			return
		}
		typed[M](ctx, relation.Many(key, m))(yield)
	}
}

// One returns the record that of, of any time, belongs to as of a moment, or ErrNotFound.
func (r *Relation[O, M]) One(ctx context.Context, of Record[M], m Moment) (Record[O], error) {
	if err := ctx.Err(); err != nil {
		return Record[O]{}, err
	}
	relation, err := r.as(ctx, m)
	if err != nil {
		return Record[O]{}, err
	}
	many, ok := r.store.engine.FactByID(of.ID)
	if !ok && r.store.partial {
		return Record[O]{}, fmt.Errorf("companion: what key %q belongs to by fact %s: %w", of.Key, of.ID, ErrDropped)
	}
	one, ok := relation.One(many, m)
	if !ok {
		return Record[O]{}, fmt.Errorf("%w: what key %q belongs to", ErrNotFound, of.Key)
	}
	return decode[O](one)
}

// as returns a relation that knows both stores as of a moment.
func (r *Relation[O, M]) as(ctx context.Context, m Moment) (*store.Relation, error) {
	if !r.store.partial || m == (Moment{}) {
		return r.relation, nil
	}
	return r.relation.Past(ctx)
}
