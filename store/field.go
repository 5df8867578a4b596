// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// A Field names a value inside JSON objects by the keys that lead to it, joined by dots, such as "owner" or
// "address.city". It can't name a key that has a dot itself.
type Field string

// of returns the JSON that value, a fact's value, has in the field; nil if it has none.
func (f Field) of(value []byte) []byte {
	for path := string(f); ; {
		name, rest, more := strings.Cut(path, ".")
		if value = jsonvalue.Member(value, name); value == nil || !more {
			return value
		}
		path = rest
	}
}

// A FieldReader reads a field as a type of the app does where the JSON alone is ambiguous: an instant or a number in a
// string, or names in any case. Engines compare readers by ==.
type FieldReader interface {
	// ReadField returns what value, a fact's upcast value, has in the field, as JSON that is equal for equal
	// values and has their order (see [Query].OrderBy); nil if there is nothing. It must return the same for the
	// same value, and must not change it. It may be called concurrently.
	ReadField(value []byte) []byte
}

// readBy returns what value has in the field, as by reads it; nil reads JSON.
func (f Field) readBy(by FieldReader, value []byte) []byte {
	if by != nil {
		return by.ReadField(value)
	}
	return f.of(value)
}

// equals reports whether found, JSON or nil, is want, which is in the form of appendEqual. buf is scratch space.
func equals(found, want, buf []byte) bool {
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
		return nil, &backend.InvalidError{Field: string(field), Reason: fmt.Sprintf("%T can't become JSON: %v", v, err)}
	}
	return text, nil
}

// appendEqual appends JSON in a form that is the same for equal values.
func appendEqual(dst, src []byte) ([]byte, error) {
	return jsonvalue.AppendEqual(dst, src, backend.MaxDepth)
}
