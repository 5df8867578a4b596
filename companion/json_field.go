package companion

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// checkField reports a field that the JSON of T does not have, by the names that lead to it. What is
// below a map, an interface or a type that writes its own JSON can't be known, and is taken as it is.
// The field found is returned where it is known.
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
			return nil, &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%v has no field %q: there is %s", t, path, strings.Join(known, ", "))}
		}
		found, t = &fields[i].StructField, fields[i].Type
	}
	return found, nil
}

// wanted returns what a field that is v has in JSON. That no T has it there is an error.
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
	return nil, &backend.InvalidError{Field: field, Reason: fmt.Sprintf("it is left out of the JSON where it is %v, so nothing equals that: use Match", v)}
}

func indexOf[T any](s *Store, name, field string) (*store.Index, *reflect.StructField, error) {
	found, err := checkField[T](field)
	if err != nil {
		return nil, nil, fmt.Errorf("companion: index store %q: %w", name, err)
	}
	index, err := s.engine.Index(name, store.Field(field))
	return index, found, err
}
