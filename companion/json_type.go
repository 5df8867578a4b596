package companion

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// A jsonField is a field of a struct, or of one embedded in it, that encoding/json writes.
type jsonField struct {
	reflect.StructField
	name   string // in JSON
	tagged bool   // the name is from the tag
}

// jsonFields returns the fields of a struct as encoding/json sees them. Of several with the same name, the
// least deeply embedded one counts, or the tagged one among those; if that leaves several, none.
func jsonFields(t reflect.Type) []jsonField {
	var all []jsonField
	taken, seen := map[string]bool{}, map[reflect.Type]bool{}
	for level := []reflect.Type{t}; len(level) > 0; {
		var found []jsonField
		var embedded []reflect.Type
		for _, t := range level {
			seen[t] = true
			for i := range t.NumField() {
				f := t.Field(i)
				tag := f.Tag.Get("json")
				name, _, _ := strings.Cut(tag, ",")
				inner := f.Type
				if inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				switch embeds := f.Anonymous && inner.Kind() == reflect.Struct; {
				case tag == "-" || !f.IsExported() && !embeds:
				case embeds && name == "":
					embedded = append(embedded, inner)
				case name == "":
					found = append(found, jsonField{f, f.Name, false})
				default:
					found = append(found, jsonField{f, name, true})
				}
			}
		}
		for _, f := range found {
			rivals := 0 // f too
			for _, o := range found {
				if o.name == f.name && (o.tagged || !f.tagged) {
					rivals++
				}
			}
			if rivals == 1 && !taken[f.name] {
				all = append(all, f)
			}
		}
		for _, f := range found {
			taken[f.name] = true
		}
		level = slices.DeleteFunc(embedded, func(t reflect.Type) bool { return seen[t] })
	}
	return all
}

// checkType reports a type of values that encoding/json can't write, or of whose fields it writes none.
func checkType(t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && t.NumField() > 0 && !writesItself(t) && len(jsonFields(t)) == 0 {
		return &backend.InvalidError{Field: "type", Reason: fmt.Sprintf("%v has no field in its JSON: fields must be exported", t)}
	}
	return checkWritten("type", t)
}

// checkWritten reports a type, or a type of a field in it, that encoding/json can't write.
func checkWritten(field string, t reflect.Type) error {
	if writesItself(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%v can't be JSON", t)}
	case reflect.Struct:
		for _, f := range jsonFields(t) {
			if err := checkWritten(f.name, f.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

// writesItself reports whether a type has a method that writes its JSON.
func writesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

func sameJSON(text []byte, v any) bool {
	other, err := json.Marshal(v)
	var a, b any
	return err == nil && json.Unmarshal(text, &a) == nil && json.Unmarshal(other, &b) == nil && reflect.DeepEqual(a, b)
}
