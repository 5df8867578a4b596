package store

import (
	"context"
	"encoding/json"
	"iter"
)

// A Relation says that each record of one store belongs to a record of another, whose key it has in
// a field: comments to the article whose key is in their field "article". Its methods may be
// called concurrently.
type Relation struct {
	one   string
	index *Index
}

// Relation returns the relation from the records of store many, by what they have in field, to those
// of store one: a string that is the key, or a number whose text is, in its shortest form: 7 and 7.0
// belong to "7". It keeps an [Index].
func (e *Engine) Relation(one, many string, field Field) (*Relation, error) {
	x, err := e.Index(many, field)
	if err != nil {
		return nil, err
	}
	return &Relation{one: one, index: x}, nil
}

// Past returns the same relation over all that the log holds of both stores now, see [Scope.Past].
func (l *Relation) Past(ctx context.Context) (*Relation, error) {
	e, err := l.index.values.engine.past(ctx, []string{l.one, l.index.store}, nil)
	if err != nil {
		return nil, err
	}
	return e.Relation(l.one, l.index.store, l.index.field)
}

// Many yields the records that belong to the one with a key as of a moment, in the order in which
// they were first written, whether there is a record of that key or not.
func (l *Relation) Many(key string, m Moment) iter.Seq[Record] {
	text, err := equalForm(l.index.field, key)
	if err != nil {
		return func(func(Record) bool) {}
	}
	wanted := [][]byte{text}
	if len(key) > 0 && (key[0] == '-' || key[0] >= '0' && key[0] <= '9') {
		if number, err := appendEqual(nil, []byte(key)); err == nil && string(number) == key {
			wanted = append(wanted, number)
		}
	}
	return l.index.list(m, wanted...)
}

// One returns the record that r, of the store of many, belongs to as of a moment; false if it belongs
// to none, or to one that has no value then.
func (l *Relation) One(r Record, m Moment) (Record, bool) {
	token, ok := l.index.token(r)
	if !ok {
		return Record{}, false
	}
	key := token
	switch token[0] {
	case '"':
		if json.Unmarshal([]byte(token), &key) != nil {
			return Record{}, false
		}
	case '{', '[', 't', 'f', 'n':
		return Record{}, false
	}
	return l.index.values.engine.GetAt(l.one, key, m)
}
