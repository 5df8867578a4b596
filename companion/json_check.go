// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A jsonType says how encoding/json writes and reads a type.
type jsonType struct {
	err   error // why its values can't be written, or can't be read back
	loose bool  // some values can't be written; each value must be checked
	keeps bool  // a method of the app reads its JSON, and may keep or change that, or panic
	anys  bool  // a part of it is an any, and encoding/json reads it
	lacks bool  // a part of it is a struct that encoding/json reads: the JSON may have fields that the struct lacks
}

// A jsonUse is how a type is used.
type jsonUse struct {
	t           reflect.Type
	addressable bool // encoding/json calls methods of pointers for it
	read        bool // it is read, too
	pointed     bool // a pointer points to it: encoding/json then calls its methods even if the type has no name
}

var jsonTypes sync.Map // *jsonType by jsonUse

func typeOf(use jsonUse) *jsonType {
	if known, ok := jsonTypes.Load(use); ok {
		return known.(*jsonType)
	}
	c := check{seen: map[jsonUse]bool{}}
	c.err = c.visit("type", use)
	known, _ := jsonTypes.LoadOrStore(use, &c.jsonType)
	return known.(*jsonType)
}

// valuesOf returns the jsonType of the type of a store's values. It has an error if the type can't be written and read
// back, or if encoding/json writes none of its fields.
func valuesOf(t reflect.Type) *jsonType {
	inner := t
	for inner.Kind() == reflect.Pointer {
		inner = inner.Elem()
	}
	if isHidden(inner) { // inside a value, visit allows a pointer to it, which may be nil
		return &jsonType{err: hidden("type", inner)}
	}
	return typeOf(jsonUse{t: t, addressable: true, read: true, pointed: true})
}

// isHidden reports whether a type is a struct whose fields encoding/json all leaves out.
func isHidden(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t.NumField() == 0 || writesItself(t) {
		return false
	}
	fields, _, _ := jsonFields(t)
	return len(fields) == 0
}

func hidden(field string, t reflect.Type) error {
	return refused(field, `%v has no field in its JSON: export its fields, or leave it out with json:"-"`, t)
}

func refused(field, format string, args ...any) error {
	return &backend.InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// A check looks at a type and all types in it.
type check struct {
	jsonType
	seen map[jsonUse]bool
}

// visit returns why values of a type can't be written, or can't be read back; nil if they can. field names the place of
// the type.
func (c *check) visit(field string, use jsonUse) error {
	if c.seen[use] {
		return nil
	}
	c.seen[use] = true
	t := use.t
	switch t.Kind() {
	case reflect.Pointer:
		if isHidden(t.Elem()) { // nil loses nothing
			c.loose = true
			return nil
		}
		return c.visit(field, jsonUse{t.Elem(), true, use.read, true})
	case reflect.Interface:
		c.loose = true
		if use.read && t.NumMethod() > 0 {
			return refused(field, "%v is an interface, which can be written and not be read: a struct, or any, can", t)
		}
		c.anys = c.anys || use.read
		return nil
	}
	if use.read && readsItself(t) {
		if t != reflect.TypeFor[time.Time]() && t != reflect.TypeFor[json.RawMessage]() { // these keep none of it
			c.keeps = true
		}
		if t.Name() == "" && !use.pointed {
			return refused(field, "encoding/json does not call the method that reads %v here: give the type a name", t)
		}
		if err := checkReading(field, t); err != nil {
			return err
		}
		use.read = false // its method reads its parts
	}
	switch p := reflect.PointerTo(t); {
	case !writesItself(t):
	case use.addressable, t.Implements(jsonMarshaler), !p.Implements(jsonMarshaler) && t.Implements(textMarshaler):
		if err := checkEmbedding(field, t); err != nil || !use.read {
			return err
		}
		return checkUnread(field, t)
	default:
		return refused(field, "the JSON of %v is written by a method of *%v, which encoding/json does not call for values of maps: use *%v", t, t, t)
	}
	return c.visitParts(field, use)
}

// visitParts visits the types of which t consists.
func (c *check) visitParts(field string, use jsonUse) error {
	t := use.t
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return refused(field, "%v can't be JSON", t)
	case reflect.Slice:
		return c.visit(field, jsonUse{t.Elem(), true, use.read, false})
	case reflect.Array:
		return c.visit(field, jsonUse{t.Elem(), use.addressable, use.read, false})
	case reflect.Map:
		if err := checkMapKey(field, t.Key(), use.read); err != nil {
			return err
		}
		c.keeps = c.keeps || use.read && reflect.PointerTo(t.Key()).Implements(textUnmarshaler)
		return c.visit(field, jsonUse{t.Elem(), false, use.read, false})
	case reflect.Struct:
		if isHidden(t) {
			return hidden(field, t)
		}
		c.lacks = c.lacks || use.read
		return c.visitFields(field, use)
	}
	return nil
}

func (c *check) visitFields(field string, use jsonUse) error {
	fields, embeds, lost := jsonFields(use.t)
	for _, e := range embeds {
		if writesItself(e.t) {
			return refused(field, "%v embeds %v, which encoding/json leaves out here: give the field a name", use.t, e.t)
		}
	}
	if len(lost) > 0 {
		return refused(lost[0].name, "encoding/json leaves %s out of the JSON of %v, since another field has that name, too: give one of them another tag", lost[0].Name, use.t)
	}
	for _, f := range fields {
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case f.unset && use.read:
			return refused(f.name, "it is in an embedded pointer to an unexported struct of %v, which encoding/json writes and can't read: embed the struct, or export it", use.t)
		case f.quoted() && isBasic(inner) && writesItself(inner):
			return refused(f.name, `%v writes its own JSON, and can't be read with the tag option "string"`, inner)
		}
		if err := c.visit(f.name, jsonUse{f.Type, use.addressable || f.pointed, use.read, false}); err != nil {
			return err
		}
	}
	return nil
}

// isBasic reports whether the tag option "string" has an effect on a type.
func isBasic(t reflect.Type) bool {
	return t.Kind() == reflect.String || t.Kind() == reflect.Bool || isNumber(t)
}

func isNumber(t reflect.Type) bool {
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64
}

// checkMapKey returns an error for a type of keys that encoding/json can't write, or can't read back.
func checkMapKey(field string, t reflect.Type, read bool) error {
	isText := t.Kind() == reflect.String
	switch {
	case !isText && t.Implements(textMarshaler):
		if read && !reflect.PointerTo(t).Implements(textUnmarshaler) {
			return refused(field, "keys of %v have MarshalText and no UnmarshalText: they could not be read", t)
		}
	case !isText && (!isNumber(t) || t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64):
		return refused(field, "keys of %v can't be JSON", t)
	case read && reflect.PointerTo(t).Implements(textUnmarshaler) && !isText, !isText && reflect.PointerTo(t).Implements(textMarshaler):
		return refused(field, "keys of %v are not written by their MarshalText, which must not be a method of *%v", t, t)
	}
	return nil
}

// checkReading returns an error for a type whose method can't read JSON.
func checkReading(field string, t reflect.Type) error {
	byValue := t.Implements(jsonUnmarshaler) || t.Implements(textUnmarshaler) && !reflect.PointerTo(t).Implements(jsonUnmarshaler)
	if byValue && t.Size() > 0 {
		return refused(field, "the method of %v that reads its JSON is not a method of *%v, and so can't change the value; a method of an embedded pointer is called on nil", t, t)
	}
	if writesItself(t) {
		if _, err := tripOf(reflect.New(t)); isMistyped(err) {
			return refused(field, "%v can't read the JSON that it writes: %v", t, err)
		}
		return nil
	}
	v := reflect.New(t)
	fill(v.Elem(), 0, false)
	switch _, err := tripOf(v); {
	case isMistyped(err), isChanged(err):
		return refused(field, "%v has a method that reads its JSON and no method that writes it, and does not read what encoding/json writes: %v", t, err)
	}
	return nil
}

// checkUnread returns an error for a type with a method that writes its JSON and no method that reads it, unless
// encoding/json reads the type back correctly without one.
func checkUnread(field string, t reflect.Type) error {
	v := reflect.New(t)
	whole := fill(v.Elem(), 0, false)
	back, err := tripOf(v)
	if err == nil && (!whole || !reflect.DeepEqual(v.Interface(), back.Interface())) {
		err = fmt.Errorf("%v has parts that encoding/json does not set", t)
	}
	if err != nil {
		return refused(field, "%v has a method that writes its JSON and no method that reads it: add UnmarshalJSON or UnmarshalText: %v", t, err)
	}
	return nil
}

// checkEmbedding returns an error for a struct whose JSON comes only from a method of an embedded field.
func checkEmbedding(field string, t reflect.Type) error {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var embedded reflect.Type
	var others []string
	empty, filled := reflect.New(t), reflect.New(t)
	for i := range t.NumField() {
		f := t.Field(i)
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case f.Anonymous && writesItself(inner):
			embedded = f.Type
			if f.Type.Kind() == reflect.Pointer && f.IsExported() { // its methods are not called on nil
				empty.Elem().Field(i).Set(reflect.New(inner))
				filled.Elem().Field(i).Set(reflect.New(inner))
			}
		case f.Tag.Get("json") != "-" && (f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct):
			others = append(others, f.Name)
			fill(filled.Elem().Field(i), 0, true)
		}
	}
	if embedded == nil || len(others) == 0 || reflect.DeepEqual(empty.Interface(), filled.Interface()) {
		return nil
	}
	a, err := marshalSafely(empty.Interface())
	b, err2 := marshalSafely(filled.Interface())
	if err == nil && err2 == nil && string(a) == string(b) {
		return refused(field, "the JSON of %v comes from its embedded %v alone, and %s would be lost: give the embedded field a name", t, embedded, strings.Join(others, ", "))
	}
	return nil
}
