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

// Many yields the records that belong to the one with a key as of a moment, in the order in which
// they were first written, whether there is a record of that key or not. Pairs are as in [Engine.List].
func (l *Relation) Many(ctx context.Context, key string, m Moment) iter.Seq2[Record, error] {
	return pairs(func() (iter.Seq[Record], error) {
		text, err := equalForm(l.index.field, key)
		if err != nil { // a key that is not UTF-8 has no record
			return func(func(Record) bool) {}, nil
		}
		wanted := [][]byte{text}
		if len(key) > 0 && (key[0] == '-' || key[0] >= '0' && key[0] <= '9') {
			if number, err := appendEqual(nil, []byte(key)); err == nil && string(number) == key {
				wanted = append(wanted, number)
			}
		}
		return l.index.find(ctx, m, wanted...)
	})
}

// One returns the record that r, of the store of many, belongs to as of a moment; ok is false if it belongs
// to none, or to one that has no value then. Errors are as in [Engine.GetAt].
func (l *Relation) One(ctx context.Context, r Record, m Moment) (one Record, ok bool, err error) {
	token, ok := l.index.token(r)
	if !ok {
		return Record{}, false, nil
	}
	key := token
	switch token[0] {
	case '"':
		if err := json.Unmarshal([]byte(token), &key); err != nil {
			return Record{}, false, nil
		}
	case '{', '[', 't', 'f', 'n':
		return Record{}, false, nil
	}
	return l.index.engine.GetAt(ctx, l.one, key, m)
}
