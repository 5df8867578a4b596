package companion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// ReadOptions reads Options from a YAML or JSON file, in UTF-8 with or without a byte-order mark. The file
// holds one document; an empty one gives the zero Options.
func ReadOptions(path string) (Options, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Options{}, fmt.Errorf("companion: read options: %w", err)
	}
	var o Options
	if err := o.parse(bytes.TrimPrefix(text, []byte("\ufeff"))); err != nil {
		return Options{}, fmt.Errorf("companion: read options from %s: %w", path, err)
	}
	return o, nil
}

func (o *Options) parse(text []byte) error {
	if !utf8.Valid(text) {
		return &backend.InvalidError{Field: "options", Reason: "not valid UTF-8"}
	}
	if json.Valid(text) { // almost all JSON is YAML too, but not quite all
		return o.UnmarshalJSON(text)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(o); err != nil && err != io.EOF {
		return err
	}
	var more any // the decoder ends at an empty document, so markers are counted too
	if d.Decode(&more) != io.EOF || len(documentMarker.FindAllIndex(text, 2)) > 1 {
		return errors.New("more than one YAML document")
	}
	return nil
}

var documentMarker = regexp.MustCompile(`(^|[\r\n])---`)

// UnmarshalJSON reads Options strictly. As everywhere in JSON, null says nothing.
func (o *Options) UnmarshalJSON(text []byte) error {
	if err := jsonvalue.Check(text, backend.MaxDepth); err != nil { // finds duplicate keys too
		return &backend.InvalidError{Field: "options", Reason: err.Error()}
	}
	if err := checkNames(reflect.TypeFor[Options](), text, ""); err != nil {
		return err
	}
	var numbers struct {
		Settings any `json:"settings"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&numbers); err == nil { // else the next step reports it
		if err := checkNumbers("settings", numbers.Settings); err != nil {
			return err
		}
	}
	type plain Options // without this method
	err := json.Unmarshal(text, (*plain)(o))
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		return err
	}
	field := mismatch.Field
	if field == "" {
		field = "options"
	}
	wanted := map[reflect.Kind]string{reflect.String: "a string", reflect.Int: "a whole number", reflect.Bool: "true or false", reflect.Slice: "a list"}[mismatch.Type.Kind()]
	if wanted == "" {
		wanted = "an object"
	}
	return &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%s is wanted, not this %s", wanted, mismatch.Value)}
}

// UnmarshalYAML reads Options strictly. It has the form that the usual YAML packages call.
func (o *Options) UnmarshalYAML(unmarshal func(any) error) error {
	var value any
	if err := unmarshal(&value); err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return &backend.InvalidError{Field: "options", Reason: err.Error()}
	}
	return o.UnmarshalJSON(text)
}

// checkNames reports the first name of a JSON object, in alphabetical order, that the JSON of a struct type
// does not have.
func checkNames(t reflect.Type, text []byte, prefix string) error {
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		return nil // decoding into the struct reports it
	}
	fields := map[string]reflect.Type{}
	var known []string
	all, _ := jsonFields(t)
	for _, f := range all {
		fields[f.name] = f.Type
		known = append(known, prefix+f.name)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		field, ok := fields[name]
		if !ok {
			return &backend.InvalidError{Field: prefix + name, Reason: "no such option: the options are " + strings.Join(known, ", ")}
		}
		if field.Kind() == reflect.Pointer {
			if err := checkNames(field.Elem(), object[name], prefix+name+"."); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkNumbers reports the first number in a field with the value v that a float64 does not hold.
func checkNumbers(field string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := checkNumbers(field+"."+name, v[name]); err != nil {
				return err
			}
		}
	case []any:
		for _, element := range v {
			if err := checkNumbers(field, element); err != nil {
				return err
			}
		}
	case json.Number:
		text := v.String()
		f, err := v.Float64()
		if err != nil {
			return &backend.InvalidError{Field: field, Reason: text + " is beyond what a float64 holds"}
		}
		if whole := !strings.ContainsAny(text, ".eE"); whole && strconv.FormatFloat(f, 'f', -1, 64) != text {
			return &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%s has more digits than a float64 holds: write it as a string, %q", text, text)}
		}
	}
	return nil
}
