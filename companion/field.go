package companion

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
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
		var known []string
		next := (*reflect.StructField)(nil)
		if t.Kind() == reflect.Struct {
			for _, f := range reflect.VisibleFields(t) {
				if name, ok := jsonName(f); ok {
					known = append(known, name)
					if name == path {
						next = &f
					}
				}
			}
		}
		if next == nil {
			return nil, &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%v has no field %q: there is %s", t, path, strings.Join(known, ", "))}
		}
		found, t = next, next.Type
	}
	return found, nil
}

func writesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// jsonName returns the name that encoding/json gives a field; false if it leaves it out.
func jsonName(f reflect.StructField) (string, bool) {
	tag := f.Tag.Get("json")
	name, _, _ := strings.Cut(tag, ",")
	if !f.IsExported() || tag == "-" || f.Anonymous && name == "" {
		return "", false
	}
	if name == "" {
		name = f.Name
	}
	return name, true
}

// checkWanted reports a value that a field of T never has in JSON, because it is left out then.
func checkWanted(field string, f *reflect.StructField, v any) error {
	if f == nil {
		return nil
	}
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	omits := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
	if omits && (v == nil || reflect.ValueOf(v).IsZero()) {
		return &backend.InvalidError{Field: field, Reason: fmt.Sprintf("it is left out of the JSON where it is %v, so nothing equals that: use Match", v)}
	}
	return nil
}

// checkOrder reports a field to order by that T does not have.
func checkOrder[T any](q Query) error {
	if q.OrderBy == "" {
		return nil
	}
	_, err := checkField[T](string(q.OrderBy))
	return err
}

func indexOf[T any](s *Store, name, field string) (*store.Index, error) {
	if _, err := checkField[T](field); err != nil {
		return nil, fmt.Errorf("companion: index store %q: %w", name, err)
	}
	return s.engine.Index(name, store.Field(field))
}
