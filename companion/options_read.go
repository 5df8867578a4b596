// SPDX-License-Identifier: Apache-2.0

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
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// ReadOptions reads Options from a YAML or JSON file, in UTF-8 with or without a byte-order mark. The file holds one
// document; an empty file gives the zero Options.
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
	if json.Valid(text) { // some JSON is not YAML
		return o.UnmarshalJSON(text)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(o); err != nil && err != io.EOF {
		return err
	}
	var more any // the decoder ends at an empty document, so the markers are counted, too
	if d.Decode(&more) != io.EOF || len(documentMarker.FindAllIndex(text, 2)) > 1 {
		return errors.New("more than one YAML document")
	}
	return nil
}

var documentMarker = regexp.MustCompile(`(^|[\r\n])---`)

// UnmarshalJSON reads Options strictly; null changes nothing.
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
	if err := d.Decode(&numbers); err == nil { // otherwise the next step reports it
		if err := checkNumbers("settings", numbers.Settings); err != nil {
			return err
		}
	}
	timeout, skew := o.WriteTimeout, o.MaxSkew
	text, err := cutDurations(text, map[string]*time.Duration{"write_timeout": &timeout, "max_skew": &skew})
	if err != nil {
		return err
	}
	type plain Options // without this method
	if err = json.Unmarshal(text, (*plain)(o)); err == nil {
		o.WriteTimeout, o.MaxSkew = timeout, skew
	}
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

// cutDurations parses the members of text that are durations, and returns the JSON without them.
func cutDurations(text []byte, durations map[string]*time.Duration) ([]byte, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return text, nil // decoding into the struct reports what is wrong
	}
	for _, name := range slices.Sorted(maps.Keys(durations)) {
		var given *string
		value, ok := fields[name]
		if !ok {
			continue
		}
		err := json.Unmarshal(value, &given)
		if err == nil && given != nil {
			*durations[name], err = time.ParseDuration(*given)
		}
		if err != nil {
			return nil, &backend.InvalidError{Field: name, Reason: fmt.Sprintf("%s is not a time in quotes such as \"30s\"", value)}
		}
		delete(fields, name)
	}
	return json.Marshal(fields)
}

// MarshalJSON writes what UnmarshalJSON reads; durations are text.
func (o Options) MarshalJSON() ([]byte, error) {
	type plain Options
	given := struct {
		plain
		WriteTimeout string `json:"write_timeout,omitempty"`
		MaxSkew      string `json:"max_skew,omitempty"`
	}{plain: plain(o)}
	for text, d := range map[*string]time.Duration{&given.WriteTimeout: o.WriteTimeout, &given.MaxSkew: o.MaxSkew} {
		if d != 0 {
			*text = d.String()
		}
	}
	return json.Marshal(given)
}

// UnmarshalYAML reads Options strictly. goccy/go-yaml and yaml.v3 call it.
func (o *Options) UnmarshalYAML(unmarshal func(any) error) error {
	var value any
	if err := unmarshal(&value); err != nil {
		return err
	}
	return o.UnmarshalTOML(value)
}

// UnmarshalTOML reads Options strictly from a decoded value. github.com/BurntSushi/toml calls it.
func (o *Options) UnmarshalTOML(value any) error {
	if err := checkTimes("options", value); err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return &backend.InvalidError{Field: "options", Reason: err.Error()}
	}
	return o.UnmarshalJSON(text)
}

// checkTimes returns an error for the first text that a decoder has parsed as a time, since the original text is lost.
func checkTimes(field string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := checkTimes(name, v[name]); err != nil {
				return err
			}
		}
	case []map[string]any:
		for _, element := range v {
			if err := checkTimes(field, element); err != nil {
				return err
			}
		}
	case []any:
		for _, element := range v {
			if err := checkTimes(field, element); err != nil {
				return err
			}
		}
	case time.Time:
		return &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%v is a time, and no option is one: put the text in quotes", v)}
	}
	return nil
}

// checkNames returns an error for the first name of a JSON object, in alphabetical order, that the JSON of a struct
// type does not have.
func checkNames(t reflect.Type, text []byte, prefix string) error {
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		return nil // decoding into the struct reports it
	}
	fields := map[string]reflect.Type{}
	var known []string
	all, _, _ := jsonFields(t)
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

// checkNumbers returns an error for the first number in v, the value of field, that a float64 does not hold.
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
