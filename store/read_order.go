// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// A rank is the place of a field's value in the order of Query.OrderBy.
type rank struct {
	kind   kind
	number jsonvalue.Number
	text   string // a string's; an array or object in the form of appendEqual
}

type kind byte

const (
	kindNothing kind = iota // null too
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindArray
	kindObject
)

// rankOf returns the rank of JSON. Nil ranks as nothing.
func rankOf(found []byte) rank {
	if len(found) == 0 {
		return rank{}
	}
	switch found[0] {
	case 'n':
		return rank{}
	case 'f':
		return rank{kind: kindFalse}
	case 't':
		return rank{kind: kindTrue}
	case '"':
		text, _ := jsonvalue.Text(found)
		return rank{kind: kindString, text: text}
	case '[', '{':
		form, err := appendEqual(nil, found)
		if err != nil {
			return rank{}
		}
		if form[0] == '[' {
			return rank{kind: kindArray, text: string(form)}
		}
		return rank{kind: kindObject, text: string(form)}
	}
	return rank{kind: kindNumber, number: jsonvalue.ParseNumber(found, nil)}
}

func (a rank) compare(b rank) int {
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	if a.kind == kindNumber {
		return a.number.Compare(b.number)
	}
	return strings.Compare(a.text, b.text)
}

// A ranked is a record, or only its key, with the rank of its field.
type ranked struct {
	rank   rank
	key    string
	record Record
}

func (q Query) compare(a, b ranked) int {
	c := a.rank.compare(b.rank)
	if c == 0 {
		c = strings.Compare(a.key, b.key)
	}
	if q.Descending {
		return -c
	}
	return c
}

// inField returns the value of the field that q orders by; nil if none exists.
func (q Query) inField(r Record) []byte {
	value, err := r.Upcast()
	if err != nil {
		return nil
	}
	return q.OrderBy.readBy(q.by, value)
}

// ranked yields the records of all that come after from in the order of a field, up to q's limit. It keeps at
// most twice as many records as the limit.
func (q Query) ranked(all iter.Seq2[Record, error], from position) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		after := ranked{rank: rankOf(from.Value), key: from.Key}
		var found []ranked
		full := false // found has as many records as the limit, in order
		for r := range all {
			x := ranked{rankOf(q.inField(r)), r.Key(), r}
			if from.begun && q.compare(x, after) <= 0 || full && q.compare(x, found[q.Limit-1]) > 0 {
				continue
			}
			found = append(found, x)
			if q.Limit > 0 && len(found)/2 >= q.Limit {
				slices.SortFunc(found, q.compare)
				clear(found[q.Limit:])
				found, full = found[:q.Limit], true
			}
		}
		slices.SortFunc(found, q.compare)
		for i, x := range found {
			if q.Limit > 0 && i == q.Limit || !yield(x.record, nil) {
				return
			}
		}
	}
}
