// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// A jsonPath finds a field of T in JSON as encoding/json does when it reads a T: by the name of the struct's field in
// any case, and with several members of that name merged. It is a store.FieldReader.
type jsonPath struct {
	steps []func(value []byte) []byte
	field *reflect.StructField      // Type and Tag of the field; nil: not known, such as below an any
	means func(value []byte) []byte // see meaning; nil: value
	err   error                     // not nil if there is no such field
}

type jsonPathOf struct {
	t     reflect.Type
	name  string
	plain bool
}

var jsonPaths sync.Map // *jsonPath by jsonPathOf

// pathOf returns the field of T with a name as in JSON, nested names joined by dots. A field that the JSON of T does
// not have is an error.
func pathOf[T any](name string) (*jsonPath, error) {
	return findPath(jsonPathOf{reflect.TypeFor[T](), name, false})
}

// plainPathOf is pathOf for values that are compared as JSON, and not by the meaning of the field's type.
func plainPathOf[T any](name string) (*jsonPath, error) {
	return findPath(jsonPathOf{reflect.TypeFor[T](), name, true})
}

func findPath(of jsonPathOf) (*jsonPath, error) {
	known, ok := jsonPaths.Load(of)
	if !ok {
		known = newPath(of)
		if known.(*jsonPath).err == nil {
			known, _ = jsonPaths.LoadOrStore(of, known)
		}
	}
	p := known.(*jsonPath)
	return p, p.err
}

func newPath(of jsonPathOf) *jsonPath {
	p := &jsonPath{}
	if of.name == "" {
		p.err = refused("", "a field without a name")
	}
	t, rest := of.t, of.name
	for rest != "" {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		p.field = nil
		switch first, below, _ := strings.Cut(rest, "."); {
		case t.Kind() == reflect.Interface, writesItself(t), t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Interface:
			p.steps = append(p.steps, func(v []byte) []byte { return dotted(v, rest) })
			return p
		case t.Kind() == reflect.Map:
			t = t.Elem()
			if !hasParts(t) { // so the key may have dots
				first, below = rest, ""
			}
			p.steps = append(p.steps, func(v []byte) []byte { return jsonvalue.Member(v, first) })
			p.field, rest = &reflect.StructField{Type: t}, below
		case t.Kind() == reflect.Struct:
			f, step := structStep(t, rest)
			if f == nil {
				fields, _, _ := jsonFields(t)
				var known []string
				for _, f := range fields {
					known = append(known, f.name)
				}
				p.err = refused(of.name, "%v has no field %q: its fields are %s", t, first, strings.Join(known, ", "))
				return p
			}
			p.steps = append(p.steps, step)
			p.field, t, rest = &f.StructField, f.Type, strings.TrimPrefix(rest[len(f.name):], ".")
		default:
			p.err = refused(of.name, "%v has no fields, and so no %q", t, first)
			return p
		}
	}
	if p.field != nil && !of.plain {
		p.means = meaning(p.field)
	}
	return p
}

// hasParts reports whether values of a type can have fields.
func hasParts(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Map || t.Kind() == reflect.Struct && !writesItself(t)
}

// structStep returns the field of a struct with which a path begins, and a function that finds it in the struct's JSON;
// nil if there is no such field.
func structStep(t reflect.Type, path string) (found *jsonField, step func([]byte) []byte) {
	fields, _, _ := jsonFields(t)
	names := map[string]bool{}
	for i, f := range fields {
		names[f.name] = true
		if (path == f.name || strings.HasPrefix(path, f.name+".")) && (found == nil || len(found.name) < len(f.name)) {
			found = &fields[i]
		}
	}
	if found == nil {
		return nil, nil
	}
	name := found.name
	is := func(key string) bool { return key == name || strings.EqualFold(key, name) && !names[key] }
	whole := decodedAs(t, itself)
	return found, func(v []byte) []byte {
		several := 0
		member := jsonvalue.MemberFunc(v, func(key string) bool {
			if !is(key) {
				return false
			}
			several++
			return true
		})
		if several > 1 { // objects are merged, and null changes nothing
			return jsonvalue.Member(whole(v), name)
		}
		return member
	}
}

// dotted returns the JSON at a path; the names in the path may themselves contain dots.
func dotted(v []byte, path string) []byte {
	if found := jsonvalue.Member(v, path); found != nil {
		return found
	}
	for at := 0; ; {
		n := strings.IndexByte(path[at:], '.')
		if n < 0 {
			return nil
		}
		at += n
		if inner := jsonvalue.Member(v, path[:at]); inner != nil {
			if found := dotted(inner, path[at+1:]); found != nil {
				return found
			}
		}
		at++
	}
}

// ReadField returns the field's value in a form that is compared as JSON.
func (p *jsonPath) ReadField(value []byte) []byte {
	for _, step := range p.steps {
		if value = step(value); value == nil {
			return nil
		}
	}
	if p.means != nil {
		return p.means(value)
	}
	return value
}

// wanted returns the JSON of the field with the value v, in the form of ReadField. A value that the field never has is
// an error.
func (p *jsonPath) wanted(name string, v any) (json.RawMessage, error) {
	text, err := p.written(name, v)
	if err == nil && p.means != nil {
		text = p.means(text)
	}
	return text, err
}

func (p *jsonPath) written(name string, v any) (json.RawMessage, error) {
	text, err := marshal(name, v)
	if p.field == nil || err != nil {
		return text, err
	}
	f := p.field
	holder := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "F", Type: f.Type, Tag: f.Tag}})).Elem()
	held := holder.Field(0)
	if given := reflect.ValueOf(v); given.IsValid() && given.Type().AssignableTo(f.Type) {
		held.Set(given)
	} else if err := json.Unmarshal(text, held.Addr().Interface()); err != nil || !writesItself(f.Type) && !sameJSON(text, held.Addr().Interface()) {
		return nil, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("the field is of type %v and can't be %s", f.Type, text)}
	}
	if text, err = marshal(name, holder.Addr().Interface()); err != nil {
		return nil, err
	}
	var written map[string]json.RawMessage
	if err := json.Unmarshal(text, &written); err != nil || len(written) == 1 {
		for _, form := range written {
			return form, nil
		}
		return nil, err
	}
	return nil, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("the JSON leaves the field out if it is %v, so no record would match: use Match", v)}
}
