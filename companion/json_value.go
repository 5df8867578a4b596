// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"encoding/json"
	"reflect"

	"github.com/igniter-store/igniter/backend"
)

// marshal returns v as JSON, or a *backend.InvalidError that names field. It passes a pointer to encoding/json, which
// then calls the methods of pointers for the value and its parts.
func marshal(field string, v any) (json.RawMessage, error) {
	given := reflect.ValueOf(v)
	if given.IsValid() {
		if given.Kind() != reflect.Pointer {
			p := reflect.New(given.Type())
			p.Elem().Set(given)
			given, v = p, p.Interface()
		}
		if err := (&values{field, 0}).part(given, true); err != nil {
			return nil, err
		}
	}
	return write(field, v)
}

// marshalAs is marshal for the value that v points to, whose type is known.
func marshalAs[T any](known *jsonType, field string, v *T) (json.RawMessage, error) {
	if known.loose {
		if t := reflect.TypeFor[T](); t.Kind() == reflect.Interface {
			return marshal(field, *v)
		}
		if err := (&values{field, 0}).visit(reflect.ValueOf(v)); err != nil {
			return nil, err
		}
	}
	return write(field, v)
}

func write(field string, v any) (json.RawMessage, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, &backend.InvalidError{Field: field, Reason: err.Error()}
	}
	return text, nil
}

// values looks at the parts of a value whose types alone do not tell how encoding/json writes them. It returns an error
// for a part that encoding/json would lose, or write without calling its methods.
type values struct {
	field string
	depth int
}

// part looks at a part by its own type.
func (c *values) part(v reflect.Value, addressable bool) error {
	known := typeOf(jsonUse{t: v.Type(), addressable: addressable})
	if invalid, ok := known.err.(*backend.InvalidError); ok {
		return refused(c.field, "at %s: %s", invalid.Field, invalid.Reason)
	}
	if known.loose {
		return c.visit(v)
	}
	return nil
}

func (c *values) visit(v reflect.Value) error {
	if c.depth++; c.depth > 1000 {
		return refused(c.field, "nested too deeply, or in itself")
	}
	defer func() { c.depth-- }()
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		switch part := v.Elem(); part.Interface().(type) {
		case string, bool, float64, int, json.Number:
			return nil
		case map[string]any, []any:
			return c.visit(part)
		default:
			return c.part(part, false)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if t := v.Type().Elem(); isHidden(t) {
			return hidden(c.field, t)
		}
		return c.visitLoose(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := c.visitLoose(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for all := v.MapRange(); all.Next(); {
			if err := c.visitLoose(all.Value()); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("json") != "-" && (f.IsExported() || f.Anonymous) {
				if err := c.visitLoose(v.Field(i)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// visitLoose visits v if its type alone does not tell how encoding/json writes it.
func (c *values) visitLoose(v reflect.Value) error {
	if v.Kind() == reflect.Interface || typeOf(jsonUse{t: v.Type(), addressable: true}).loose {
		return c.visit(v)
	}
	return nil
}

func sameJSON(text []byte, v any) bool {
	other, err := json.Marshal(v)
	var a, b any
	return err == nil && json.Unmarshal(text, &a) == nil && json.Unmarshal(other, &b) == nil && reflect.DeepEqual(a, b)
}
