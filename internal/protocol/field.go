// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"errors"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// maxDepth is how deep a message may be nested: a fact's value within a message. A value that is a
// little too deep is left to Validate, which has a better error.
const maxDepth = backend.MaxDepth + 10

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

// appendKey appends a key, after other fields.
func appendKey(dst []byte, name string) []byte {
	return append(append(append(dst, ',', '"'), name...), `":`...)
}

// appendField appends a field with a text, after others.
func appendField(dst []byte, name, value string) []byte {
	return jsonvalue.AppendText(appendKey(dst, name), value)
}

func text(name string, v []byte) (string, error) {
	s, ok := jsonvalue.Text(v)
	if !ok {
		return "", &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is not a string"}
	}
	return s, nil
}

func parseTime(name string, v []byte) (time.Time, error) {
	t, err := wire.ParseTime(v)
	if invalid, ok := errors.AsType[*backend.InvalidError](err); ok {
		invalid.Field = name
	}
	return t, err
}

// invalid turns an error of the scanner into one about a field, and returns any other error as it is.
func invalid(field string, err error) error {
	if syntax, ok := errors.AsType[*jsonvalue.Error](err); ok {
		return &backend.InvalidError{Field: field, Reason: syntax.Error()}
	}
	return err
}
