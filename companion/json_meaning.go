package companion

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
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
//	a number whose type writes its own JSON  the number that it is in Go, or in a string if the type can compare
//	bytes                                    their hex text
//	an IP address                            its length and bytes
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
	case writesItself(t):
		if !canCompare(t) {
			return nil
		}
		return unquoted
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
	return func(v []byte) []byte {
		if jsonvalue.IsNull(v) {
			return v
		}
		value := reflect.New(t)
		if safely(func() error { return unmarshal(v, value.Interface(), true) }) != nil {
			return v
		}
		text, err := json.Marshal(form(value.Elem()))
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

// canCompare reports whether a type has an order: a method Cmp or Compare, as big.Float and decimals have.
func canCompare(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, name := range []string{"Cmp", "Compare"} {
		if m, ok := p.MethodByName(name); ok && m.Type.NumIn() == 2 && (m.Type.In(1) == t || m.Type.In(1) == p) {
			return true
		}
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
