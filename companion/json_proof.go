// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// errChanged says that a value was read back differently.
var errChanged = errors.New("is read back as")

func isChanged(err error) bool { return errors.Is(err, errChanged) }

func isMistyped(err error) bool {
	var mistyped *json.UnmarshalTypeError
	return errors.As(err, &mistyped)
}

// tripOf writes the value that v points to, reads it and writes it again. It returns the value that it read, and an
// error of encoding/json or errChanged.
func tripOf(v reflect.Value) (back reflect.Value, err error) {
	back = reflect.New(v.Type().Elem())
	text, err := marshalSafely(v.Interface())
	if err != nil {
		return back, err
	}
	if err := safely(func() error { return json.Unmarshal(text, back.Interface()) }); err != nil {
		return back, err
	}
	again, err := marshalSafely(back.Interface())
	if err == nil && string(again) != string(text) {
		err = fmt.Errorf("%s %w %s", text, errChanged, again)
	}
	return back, err
}

func marshalSafely(v any) (text []byte, err error) {
	err = safely(func() (err error) { text, err = json.Marshal(v); return err })
	return text, err
}

// safely calls f and returns a panic as an error: methods of an app may not expect made-up values.
func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// fill sets all parts of v that encoding/json sets to values that are not zero. It reports whether it has set all parts
// of v. With all, it also fills types that write their own JSON, as far as it can.
func fill(v reflect.Value, depth int, all bool) (whole bool) {
	const deepest = 4 // of types that have themselves as a part
	t := v.Type()
	switch {
	case !v.CanSet() && t.Kind() != reflect.Struct: // an embedded struct may have fields that can be set
		return false
	case t == reflect.TypeFor[time.Time]() && v.CanSet():
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)))
		return true
	case t == reflect.TypeFor[json.Number]():
		v.SetString("1")
		return true
	case depth > 0 && !all && writesItself(t) && readsItself(t):
		return true
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	case reflect.String:
		v.SetString("a")
	case reflect.Pointer:
		if depth < deepest {
			v.Set(reflect.New(t.Elem()))
			return fill(v.Elem(), depth+1, all)
		}
	case reflect.Slice:
		if depth < deepest {
			v.Set(reflect.MakeSlice(t, 1, 1))
			return fill(v.Index(0), depth+1, all)
		}
	case reflect.Array:
		whole = true
		for i := range min(v.Len(), 4) {
			whole = fill(v.Index(i), depth+1, all) && whole
		}
		return whole
	case reflect.Map:
		if depth < deepest {
			key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			whole = fill(key, depth+1, all)
			whole = fill(value, depth+1, all) && whole
			v.Set(reflect.MakeMap(t))
			v.SetMapIndex(key, value)
			return whole
		}
	case reflect.Struct:
		whole = true
		for i := range t.NumField() {
			f := t.Field(i)
			seen := f.Tag.Get("json") != "-" && (f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct)
			whole = seen && fill(v.Field(i), depth+1, all) && whole
		}
		return whole
	default:
		return false
	}
	return true
}
