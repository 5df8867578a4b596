// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"

	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// unmarshal decodes JSON that the engine holds into v; known describes the type. Methods of the app get a copy of the
// JSON, and their panics become errors. Numbers in an any become json.Number if a float64 does not hold them exactly.
func unmarshal(text []byte, v any, known *jsonType) error {
	exact := known.anys && mayRound(text)
	switch {
	case known.keeps:
		return safely(func() error { return read(bytes.Clone(text), v, exact) })
	case exact:
		return read(text, v, true)
	}
	return json.Unmarshal(text, v)
}

func read(text []byte, v any, exact bool) error {
	if !exact {
		return json.Unmarshal(text, v)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	eachPart(reflect.ValueOf(v), func(part reflect.Value) (done bool) {
		if part.Kind() == reflect.Interface && part.CanSet() && !part.IsNil() {
			part.Set(reflect.ValueOf(withFloats(part.Interface())))
		}
		return readsItself(part.Type())
	})
	return nil
}

// mayRound reports whether JSON may have a number that a float64 does not hold: a number with more than 15 digits, or
// with an exponent.
func mayRound(text []byte) bool {
	digits := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			if digits++; digits > 15 {
				return true
			}
		case digits > 0 && (c == 'e' || c == 'E'):
			return true
		case c == '.':
		case c == '"':
			i = jsonvalue.Skip(text, i) - 1
			fallthrough
		default:
			digits = 0
		}
	}
	return false
}

// withFloats returns v with a float64 in place of each json.Number whose value a float64 holds exactly.
func withFloats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		var own, float [32]byte
		if err == nil && jsonvalue.ParseNumber([]byte(v), own[:0]).Compare(jsonvalue.ParseNumber(strconv.AppendFloat(nil, f, 'g', -1, 64), float[:0])) == 0 {
			return f
		}
	case []any:
		for i := range v {
			v[i] = withFloats(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = withFloats(v[key])
		}
	}
	return v
}

// eachPart calls f with v and its parts, and skips the parts of a value for which f returns true. f gets a copy of each
// value of a map, which eachPart puts back.
func eachPart(v reflect.Value, f func(part reflect.Value) (done bool)) {
	if f(v) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachPart(v.Elem(), f)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			eachPart(v.Index(i), f)
		}
	case reflect.Map:
		for all := v.MapRange(); all.Next(); {
			part := reflect.New(v.Type().Elem()).Elem()
			part.Set(all.Value())
			eachPart(part, f)
			v.SetMapIndex(all.Key(), part)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() || field.Anonymous && field.Type.Kind() == reflect.Struct {
				eachPart(v.Field(i), f)
			}
		}
	}
}
