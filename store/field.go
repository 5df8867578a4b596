package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// A Field names a place in JSON objects: the keys that lead to it, joined by dots, such as "owner" or
// "address.city". A key that has a dot itself can't be named.
type Field string

// of returns what value has in the field, as it stands there; nil if it has nothing. value is JSON
// as facts hold it.
func (f Field) of(value []byte) []byte {
	for path := string(f); ; {
		name, rest, more := strings.Cut(path, ".")
		if value = jsonvalue.Member(value, name); value == nil || !more {
			return value
		}
		path = rest
	}
}

// equals reports whether value has in the field what want, in the form of appendEqual, is. buf is
// for use in between.
func (f Field) equals(value, want, buf []byte) bool {
	found := f.of(value)
	if found == nil || string(found) == string(want) {
		return found != nil
	}
	form, err := appendEqual(buf, found)
	return err == nil && string(form) == string(want)
}

// equalForm returns a Go value in the form of appendEqual.
func equalForm(field Field, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err == nil {
		text, err = appendEqual(nil, text)
	}
	if err != nil {
		return nil, &backend.InvalidError{Field: string(field), Reason: fmt.Sprintf("%T is no JSON: %v", v, err)}
	}
	return text, nil
}

// appendEqual appends JSON as facts hold it in a form that is the same for equal values.
func appendEqual(dst, src []byte) ([]byte, error) {
	return jsonvalue.AppendEqual(dst, src, backend.MaxDepth)
}
