package companion

import (
	"context"
	"fmt"
	"iter"

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
	if one.store != many.store {
		return nil, fmt.Errorf("companion: relation of %q to %q: they are in different Stores", many.name, one.name)
	}
	if _, err := checkField[M](field); err != nil {
		return nil, fmt.Errorf("companion: relation of %q to %q: %w", many.name, one.name, err)
	}
	relation, err := one.store.engine.Relation(one.name, many.name, store.Field(field))
	if err != nil {
		return nil, fmt.Errorf("companion: relation of %q to %q: %w", many.name, one.name, err)
	}
	return &Relation[O, M]{one.store, relation}, nil
}

// Many yields what belongs to the one with a key as of a moment, in the order in which it was first
// written. Pairs are as in [Records.List].
func (r *Relation[O, M]) Many(ctx context.Context, key string, m Moment) iter.Seq2[Record[M], error] {
	relation, err := r.as(ctx, m)
	if err != nil {
		return failed[M](err)
	}
	return typed[M](ctx, relation.Many(key, m))
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
		return Record[O]{}, fmt.Errorf("companion: what key %q belongs to by fact %s: %w", of.Key, of.ID, store.ErrDropped)
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
