package companion

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// checkField returns the field of T with a name as in JSON, nested names joined by dots; a field that the JSON
// of T does not have is an error. Below a map, an interface or a type that writes its own JSON, fields are not
// known: it then returns nil and no error.
func checkField[T any](field string) (*reflect.StructField, error) {
	t := reflect.TypeFor[T]()
	var found *reflect.StructField
	for path := range strings.SplitSeq(field, ".") {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() == reflect.Interface || t.Kind() == reflect.Map || writesItself(t) {
			return nil, nil
		}
		if t.Kind() != reflect.Struct {
			return nil, &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%v has no fields, and so no %q", t, path)}
		}
		fields := jsonFields(t)
		i := slices.IndexFunc(fields, func(f jsonField) bool { return f.name == path })
		if i < 0 {
			var known []string
			for _, f := range fields {
				known = append(known, f.name)
			}
			return nil, &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%v has no field %q: its fields are %s", t, path, strings.Join(known, ", "))}
		}
		found, t = &fields[i].StructField, fields[i].Type
	}
	return found, nil
}

// wanted returns the JSON of a field with the value v. A value that the field never has is an error. f is nil
// if the field is not known.
func wanted(field string, f *reflect.StructField, v any) (any, error) {
	if f == nil {
		return v, nil
	}
	holder := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "F", Type: f.Type, Tag: f.Tag}})).Elem()
	held := holder.Field(0)
	if given := reflect.ValueOf(v); given.IsValid() && given.Type().AssignableTo(f.Type) {
		held.Set(given)
	} else if writesItself(f.Type) {
		return v, nil
	} else if text, err := marshal(field, v); err != nil {
		return nil, err
	} else if json.Unmarshal(text, held.Addr().Interface()) != nil || !sameJSON(text, held.Interface()) {
		return nil, &backend.InvalidError{Field: field, Reason: fmt.Sprintf("it is %v, and never %s", f.Type, text)}
	}
	text, err := marshal(field, holder.Interface())
	if err != nil {
		return nil, err
	}
	var written map[string]json.RawMessage
	if err := json.Unmarshal(text, &written); err != nil || len(written) == 1 {
		for _, form := range written {
			return form, nil
		}
		return nil, err
	}
	return nil, &backend.InvalidError{Field: field, Reason: fmt.Sprintf("the JSON leaves the field out if it is %v, so nothing equals that: use Match", v)}
}
