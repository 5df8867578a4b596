// SPDX-License-Identifier: Apache-2.0

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
	one      *Records[O]
	many     *Records[M]
	relation *store.Relation
}

// NewRelation returns the relation in which each record of many belongs to the record of one whose key it has in field.
// The field holds a string or a number. A field that M does not have is a *backend.InvalidError. A Relation keeps an
// index, which is built on first use; each later write updates it, until [Relation.Close]. Relations by the same field
// share the index.
func NewRelation[O, M any](one *Records[O], many *Records[M], field string) (*Relation[O, M], error) {
	if one == nil || many == nil {
		return nil, fmt.Errorf("companion: relation: %w", &backend.InvalidError{Field: "records", Reason: "nil Records: did NewRecords fail?"})
	}
	path, err := plainPathOf[M](field)
	switch {
	case one.store != many.store:
		err = &backend.InvalidError{Field: "store", Reason: "they are in different Stores"}
	case err == nil && path.field != nil && !canBeKey(path.field.Type):
		err = &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%v can't be a key: a string or a number can", path.field.Type)}
	}
	var relation *store.Relation
	if err == nil {
		relation, err = one.store.engine.Relation(one.name, many.name, store.Field(field), path)
	}
	if err != nil {
		return nil, fmt.Errorf("companion: relation of %q to %q: %w", many.name, one.name, err)
	}
	return &Relation[O, M]{one, many, relation}, nil
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

// Close releases the relation. Call it once for each call of NewRelation; after the last Close writes no longer update
// the index, and reads look at every record.
func (r *Relation[O, M]) Close() { r.relation.Close() }

// Undecoded returns an *UndecodedError if the values of current records of many can't be decoded as an M, or nil. A
// record whose value can't be upcast belongs to no record. Undecoded looks at every record.
func (r *Relation[O, M]) Undecoded(ctx context.Context) error { return r.many.undecoded(ctx) }

// Many yields the records that belong to key as of m, in the order in which they were first written.
// Pairs are as in [Records.List]. Records whose values can't be upcast are left out; [Relation.Undecoded] counts them.
func (r *Relation[O, M]) Many(ctx context.Context, key string, m Moment) iter.Seq2[Record[M], error] {
	return r.many.typed(ctx, r.relation.Many(ctx, key, m))
}

// One returns the record to which of belongs as of m, or ErrNotFound. of may be a past record.
func (r *Relation[O, M]) One(ctx context.Context, of Record[M], m Moment) (Record[O], error) {
	found, _, err := r.many.store.engine.GetAt(ctx, r.many.name, of.Key, AsOf(of.Seq))
	belongs := err == nil && found.Seq() == of.Seq // otherwise it was pruned
	if belongs {
		found, belongs, err = r.relation.One(ctx, found, m)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && !belongs {
		err = ErrNotFound
	}
	if err != nil {
		return Record[O]{}, fmt.Errorf("companion: get the record to which key %q in store %q belongs: %w", of.Key, r.many.name, err)
	}
	return r.one.decode(found)
}
