// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"time"
	"unsafe"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// meaning returns a function that converts the JSON of a field into a form that, compared as JSON, has the equality and
// the order of the field's type; nil if the JSON itself has them. JSON that is not a value of the type stays as it is.
//
//	a time                                   the number of seconds since 1970
//	a number or a boolean in a string        the number or boolean
//	a number whose type writes its own JSON  the number that it is in Go, or in a string if the type orders its values as numbers
//	a struct of one time or number           as that part, if it writes its own JSON: a time.Duration with a name, a date
//	bytes                                    their hex text
//	an IP address, with a port or a prefix   its length and bytes
//	a big.Rat                                its first 100 decimal places
//	another type with its own JSON           the JSON that it writes, as an instant or a number if it reads nothing else
//	a struct, or a list or map of structs    the JSON that encoding/json writes of it, with times in UTC
func meaning(f *reflect.StructField) func([]byte) []byte {
	t := f.Type
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch inner := coreOf(t); {
	case t == timeType:
		return instantIn
	case t.ConvertibleTo(timeType):
		return decodedAs(t, func(v reflect.Value) any {
			return json.RawMessage(instant(v.Convert(timeType).Interface().(time.Time)))
		})
	case t.Kind() == reflect.Struct && embedsTime(t) >= 0:
		i := embedsTime(t)
		return decodedAs(t, func(v reflect.Value) any { return json.RawMessage(instant(v.Field(i).Interface().(time.Time))) })
	case addresses[t] != nil:
		return decodedAs(t, func(v reflect.Value) any { return addresses[t](v.Interface()) })
	case inner == timeType:
		return decodedAs(t, func(v reflect.Value) any { return json.RawMessage(instant(coreIn(v).Interface().(time.Time))) })
	case isNumber(inner) && writesItself(t):
		return decodedAs(t, func(v reflect.Value) any { return plainNumber(coreIn(v)) })
	case t == reflect.TypeFor[big.Rat]():
		return decodedAs(t, func(v reflect.Value) any { return json.RawMessage(v.Addr().Interface().(*big.Rat).FloatString(100)) })
	case t == reflect.TypeFor[json.RawMessage]():
		return nil
	case writesItself(t) && isNumeric(t):
		return unquoted
	case readsTimes(t):
		return andThen(decodedAs(t, itself), instantIn)
	case readsNumbers(t):
		return andThen(decodedAs(t, itself), unquoted)
	case hasOwnForm(t, 0):
		return decodedAs(t, func(v reflect.Value) any {
			eachPart(v, inUTC)
			return v.Addr().Interface()
		})
	case isBasic(t) && tagHas(f.Tag, "string"):
		return unquoted
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !writesItself(t.Elem()):
		return decodedAs(t, func(v reflect.Value) any { return hex.EncodeToString(v.Bytes()) })
	}
	return nil
}

var timeType = reflect.TypeFor[time.Time]()

func itself(v reflect.Value) any { return v.Addr().Interface() }

func andThen(a, b func([]byte) []byte) func([]byte) []byte {
	return func(v []byte) []byte { return b(a(v)) }
}

// inUTC converts a part of a value to UTC if it is a time, or if its type reads only times.
func inUTC(part reflect.Value) (done bool) {
	if !part.CanSet() {
		return false
	}
	if at, ok := part.Interface().(time.Time); ok {
		part.Set(reflect.ValueOf(at.UTC()))
		return true
	}
	if !readsTimes(part.Type()) {
		return false
	}
	_ = safely(func() error { // else it stays as it is
		text, err := json.Marshal(part.Addr().Interface())
		if at, ok := timeIn(text); err == nil && ok {
			text, err = json.Marshal(at.UTC())
			v := reflect.New(part.Type())
			if err == nil && json.Unmarshal(text, v.Interface()) == nil {
				part.Set(v.Elem())
			}
		}
		return err
	})
	return true
}

// addresses has, for each type of address, a function that returns a text with the order of addresses.
var addresses = map[reflect.Type]func(any) string{
	reflect.TypeFor[netip.Addr](): func(v any) string { return addressText(v.(netip.Addr)) },
	reflect.TypeFor[net.IP](): func(v any) string {
		a, _ := netip.AddrFromSlice(v.(net.IP))
		return addressText(a.Unmap())
	},
	reflect.TypeFor[netip.AddrPort](): func(v any) string {
		return fmt.Sprintf("%s %05d", addressText(v.(netip.AddrPort).Addr()), v.(netip.AddrPort).Port())
	},
	reflect.TypeFor[netip.Prefix](): func(v any) string {
		p := v.(netip.Prefix)
		return fmt.Sprintf("%s %03d %s", addressText(p.Masked().Addr()), p.Bits(), addressText(p.Addr()))
	},
}

func addressText(a netip.Addr) string {
	return fmt.Sprintf("%03d %x %s", a.BitLen(), a.AsSlice(), a.Zone())
}

// timeIn returns the time in a JSON string.
func timeIn(v []byte) (at time.Time, ok bool) {
	text, ok := jsonvalue.Text(v)
	return at, ok && at.UnmarshalText([]byte(text)) == nil
}

// instantIn returns the instant of a time in a JSON string; other JSON as it is.
func instantIn(v []byte) []byte {
	if at, ok := timeIn(v); ok {
		return instant(at)
	}
	return v
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

// embedsTime returns the index of the embedded time.Time of a struct; below 0 if it has none.
func embedsTime(t reflect.Type) int {
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && f.Type == timeType && writesItself(t) {
			return i
		}
	}
	return -1
}

// coreOf returns the type of the only part of a struct with its own methods if that is a time or an exported number;
// otherwise t. A number that is not exported may mean anything.
func coreOf(t reflect.Type) reflect.Type {
	inner := t
	for inner != timeType && inner.Kind() == reflect.Struct && inner.NumField() == 1 && writesItself(t) && readsItself(t) {
		f := inner.Field(0)
		if inner = f.Type; isNumber(inner) && !f.IsExported() {
			return t
		}
	}
	if inner == timeType || isNumber(inner) {
		return inner
	}
	return t
}

// coreIn returns the part of v whose type coreOf returns. v must be settable.
func coreIn(v reflect.Value) reflect.Value {
	for v.Type() != timeType && v.Kind() == reflect.Struct {
		v = v.Field(0)
	}
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem() // a field that is not exported, too
}

// decodedAs returns a function that reads JSON as a type and returns the JSON of form's result for it.
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

// plainNumber returns a number as an int64, uint64 or float64, which have no methods.
func plainNumber(v reflect.Value) any {
	switch {
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return v.Uint()
	}
	return v.Float()
}

// hasOwnForm reports whether different JSON may be the same value of a type: the type reads its own JSON, or has a
// struct as a part, whose fields may come in any order and case.
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

// unquoted returns the JSON inside a JSON string: a number, or a value with the tag option "string". Infinity becomes a
// number beyond all others.
func unquoted(v []byte) []byte {
	text, ok := jsonvalue.Text(v)
	if !ok {
		return v
	}
	if jsonvalue.Check([]byte(text), backend.MaxDepth) == nil {
		return []byte(text)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && math.IsInf(f, 0) {
		return fmt.Appendf(nil, "%de%d", int(math.Copysign(1, f)), int64(math.MaxInt64))
	}
	return v
}
