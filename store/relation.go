// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"iter"
)

// A Relation links each record of one store to a record of another, whose key it has in a field: a comment to
// the article whose key is in its field "article". Its methods may be called concurrently.
type Relation struct {
	one   string
	index *Index
}

// Relation returns the relation in which a record of store many belongs to the record of store one whose key
// it has in a field. The field holds the key as a string, or as a number whose shortest text is the key, so
// that 7 and 7.0 belong to "7". If a FieldReader is given, it reads the field. The relation keeps the [Index] of store
// many by the field, until [Relation.Close].
func (e *Engine) Relation(one, many string, field Field, by ...FieldReader) (*Relation, error) {
	x, err := e.Index(many, field, by...)
	if err != nil {
		return nil, err
	}
	return &Relation{one: one, index: x}, nil
}

// Close releases the relation, as [Index.Close].
func (l *Relation) Close() { l.index.Close() }

// Many yields the records that belong to a key of store one as of a moment, in the order in which their keys
// were first written, even if the key has no record. Pairs are as in [Engine.List].
func (l *Relation) Many(ctx context.Context, key string, m Moment) iter.Seq2[Record, error] {
	return records(func() (iter.Seq2[Record, error], error) {
		text, err := equalForm(l.index.field, key)
		if err != nil { // a key that is not UTF-8 has no record
			return none, nil
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

// One returns the record that r, a record of store many, belongs to as of a moment. ok is false if r belongs to
// none, or its key has no value then. Errors are as in [Engine.GetAt].
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
