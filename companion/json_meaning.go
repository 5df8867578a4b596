// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// meaning returns a function that brings the JSON of a field into a form that, compared as JSON, has the equality and
// the order of the field's type; nil if its JSON has that itself. JSON that is no value of the type stays as it is.
//
//	a time                                   the number of seconds since 1970
//	a number or a boolean in a string        the number or boolean
//	a number whose type writes its own JSON  the number that it is in Go, or in a string if the type's own order is that of numbers
//	bytes                                    their hex text
//	an IP address                            its length and bytes
//	a big.Rat                                its first 100 decimal places
//	what else writes and reads its own JSON  the JSON that it writes
//	a struct, or a list or map of such       the JSON that encoding/json writes of it, with times in UTC
func meaning(f *reflect.StructField) func([]byte) []byte {
	t := f.Type
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	timeType := reflect.TypeFor[time.Time]()
	switch number := isNumber(t); {
	case t == timeType:
		return func(v []byte) []byte {
			text, ok := jsonvalue.Text(v)
			if !ok {
				return v
			}
			var at time.Time
			if at.UnmarshalText([]byte(text)) != nil {
				return v
			}
			return instant(at)
		}
	case t.ConvertibleTo(timeType):
		return decodedAs(t, func(v reflect.Value) any {
			return json.RawMessage(instant(v.Convert(timeType).Interface().(time.Time)))
		})
	case t.Kind() == reflect.Struct && embedsTime(t) >= 0:
		i := embedsTime(t)
		return decodedAs(t, func(v reflect.Value) any { return json.RawMessage(instant(v.Field(i).Interface().(time.Time))) })
	case t == reflect.TypeFor[netip.Addr]():
		return decodedAs(t, func(v reflect.Value) any {
			a := v.Interface().(netip.Addr)
			return fmt.Sprintf("%03d %x %s", a.BitLen(), a.AsSlice(), a.Zone())
		})
	case number && writesItself(t):
		return decodedAs(t, func(v reflect.Value) any { return plainNumber(v) })
	case t == reflect.TypeFor[big.Rat]():
		return decodedAs(t, func(v reflect.Value) any { return json.RawMessage(v.Addr().Interface().(*big.Rat).FloatString(100)) })
	case t == reflect.TypeFor[json.RawMessage]():
		return nil
	case writesItself(t) && isNumeric(t):
		return unquoted
	case hasOwnForm(t, 0):
		return decodedAs(t, func(v reflect.Value) any {
			eachPart(v, func(part reflect.Value) (done bool) {
				if at, ok := part.Interface().(time.Time); ok && part.CanSet() {
					part.Set(reflect.ValueOf(at.UTC()))
				}
				return part.Type() == timeType
			})
			return v.Addr().Interface()
		})
	case isBasic(t) && tagHas(f.Tag, "string"):
		return unquoted
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !writesItself(t.Elem()):
		return decodedAs(t, func(v reflect.Value) any { return hex.EncodeToString(v.Bytes()) })
	}
	return nil
}

// instant returns a number that is the same for the same instant.
func instant(t time.Time) []byte {
	seconds, nanos := t.Unix(), t.Nanosecond()
	if nanos == 0 {
		return strconv.AppendInt(nil, seconds, 10)
	}
	if seconds >= 0 {
		return fmt.Appendf(nil, "%d.%09d", seconds, nanos)
	}
	if seconds++; seconds == 0 {
		return fmt.Appendf(nil, "-0.%09d", 1e9-nanos)
	}
	return fmt.Appendf(nil, "%d.%09d", seconds, int(1e9)-nanos)
}

// embedsTime returns the place of a field of a struct that is an embedded time.Time; below 0 if it has none.
func embedsTime(t reflect.Type) int {
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && f.Type == reflect.TypeFor[time.Time]() && writesItself(t) {
			return i
		}
	}
	return -1
}

// decodedAs reads JSON as a type and returns the JSON of what form makes of that.
func decodedAs(t reflect.Type, form func(reflect.Value) any) func([]byte) []byte {
	known := typeOf(jsonUse{t: t, addressable: true, read: true, pointed: true})
	return func(v []byte) []byte {
		if jsonvalue.IsNull(v) {
			return v
		}
		value := reflect.New(t)
		if unmarshal(v, value.Interface(), known) != nil {
			return v
		}
		var text []byte
		err := safely(func() (err error) { text, err = json.Marshal(form(value.Elem())); return err })
		if err != nil { // a number that is not finite
			return v
		}
		return text
	}
}

// plainNumber returns a number as one of a type without methods.
func plainNumber(v reflect.Value) any {
	switch {
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return v.Uint()
	}
	return v.Float()
}

// isNumeric reports whether a type has an order, a method Cmp or Compare, that is the order of the numbers in its JSON, as
// big.Float and decimals have. A version is no number, since 1.10 is not 1.1.
func isNumeric(t reflect.Type) bool {
	read := func(text string) reflect.Value {
		v := reflect.New(t)
		if json.Unmarshal([]byte(text), v.Interface()) != nil && json.Unmarshal([]byte(`"`+text+`"`), v.Interface()) != nil {
			return reflect.Value{}
		}
		return v
	}
	compare := func(a, b string) (c int, ok bool) {
		_ = safely(func() error {
			x, y := read(a), read(b)
			if !x.IsValid() || !y.IsValid() {
				return nil
			}
			// With names that it knows, the linker leaves out all other methods: a program is a third smaller for it.
			for _, m := range []reflect.Value{x.MethodByName("Cmp"), x.MethodByName("Compare")} {
				if !m.IsValid() || m.Type().NumIn() != 1 || m.Type().NumOut() != 1 || m.Type().Out(0).Kind() != reflect.Int {
					continue
				}
				switch m.Type().In(0) {
				case t:
					c, ok = int(m.Call([]reflect.Value{y.Elem()})[0].Int()), true
				case y.Type():
					c, ok = int(m.Call([]reflect.Value{y})[0].Int()), true
				}
			}
			return nil
		})
		return c, ok
	}
	if c, ok := compare("9", "10"); !ok || c >= 0 {
		return false
	}
	c, ok := compare("1.10", "1.1")
	return !ok || c == 0
}

// hasOwnForm reports whether several texts in JSON may be one value of a type: it reads its own JSON, or has a struct as a part,
// whose fields may come in any order and case.
func hasOwnForm(t reflect.Type, depth int) bool {
	if writesItself(t) {
		return readsItself(t)
	}
	switch t.Kind() {
	case reflect.Struct:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return depth < 8 && hasOwnForm(t.Elem(), depth+1)
	}
	return false
}

// unquoted returns the JSON in a JSON string: a number or what the tag option "string" writes.
func unquoted(v []byte) []byte {
	text, ok := jsonvalue.Text(v)
	if !ok || jsonvalue.Check([]byte(text), backend.MaxDepth) != nil {
		return v
	}
	return []byte(text)
}
