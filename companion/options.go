package companion

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// Options says where a Store keeps its facts. The zero Options is a store in memory.
//
// It can be read from YAML or JSON ([ReadOptions], or as a part of an app's own configuration).
// That is strict: a field that does not exist, or that the chosen backend does not use, is a
// *backend.InvalidError that names it.
type Options struct {
	// Backend is the name of a registered backend; "": memory. An app that imports no further
	// backends has those that [backend.Names] lists.
	Backend string `json:"backend,omitempty" yaml:"backend,omitempty"`

	// What the backend is opened with: see backend.Config. Each backend uses some of them. Numbers
	// in Settings are float64 when read from YAML or JSON, and one that a float64 can't hold, such
	// as a whole number with too many digits, is refused.
	Path      string         `json:"path,omitempty" yaml:"path,omitempty"`
	Address   string         `json:"address,omitempty" yaml:"address,omitempty"`
	Transport string         `json:"transport,omitempty" yaml:"transport,omitempty"`
	TLS       *backend.TLS   `json:"tls,omitempty" yaml:"tls,omitempty"`
	Token     string         `json:"token,omitempty" yaml:"token,omitempty"`
	Settings  map[string]any `json:"settings,omitempty" yaml:"settings,omitempty"`

	// Stores are those whose facts are read and kept in memory; nil: all, and an empty list: none. For
	// others see [Store.Load].
	Stores []string `json:"stores,omitzero" yaml:"stores,omitzero"`

	// KeepVersions is how many facts of each key are kept in memory at least, the latest ones; 0:
	// all. What records, scopes and relations say of the past is then read from the backend, each time
	// anew, and so is what a watch or a fold has missed; a lineage that leads to what is not kept
	// is ErrDropped.
	KeepVersions int `json:"keep_versions,omitempty" yaml:"keep_versions,omitempty"`

	// ReadOnly makes every write report [ErrReadOnly].
	ReadOnly bool `json:"read_only,omitempty" yaml:"read_only,omitempty"`

	// Progress is told how far opening is, now and then, before Open returns; nil: nobody is.
	Progress func(Progress) `json:"-" yaml:"-"`

	// Trace returns the trace ID of a context, which lands in the producer of what is written with
	// it; nil or "": none.
	Trace func(ctx context.Context) string `json:"-" yaml:"-"`

	// DerivationFailed is told of rules that failed for what this Store has written, see
	// [Records.Derive]; nil: only the Logger is.
	DerivationFailed func(err error) `json:"-" yaml:"-"`

	// NewID makes the IDs of facts; nil: UUIDs of version 7. Now tells the time that retention goes
	// by; nil: time.Now. Both may be called concurrently.
	NewID func() (string, error) `json:"-" yaml:"-"`
	Now   func() time.Time       `json:"-" yaml:"-"`

	// Logger gets what an operator should know; nil: nothing is logged.
	Logger *zap.Logger `json:"-" yaml:"-"`
}

const defaultBackend = "memory"

func (o Options) config() backend.Config {
	c := backend.Config{
		Path: o.Path, Address: o.Address, Transport: o.Transport, TLS: o.TLS, Token: o.Token, Settings: o.Settings,
	}
	if o.Logger != nil {
		c.Logger = o.Logger
	}
	return c
}

// check reports what no backend and no engine is asked about.
func (o Options) check() error {
	if o.KeepVersions < 0 {
		return &backend.InvalidError{Field: "keep_versions", Reason: fmt.Sprint(o.KeepVersions, " is below 0")}
	}
	for _, name := range o.Stores {
		if err := checkName(name); err != nil {
			return &backend.InvalidError{Field: "stores", Reason: fmt.Sprintf("%q is no name of a store: %v", name, err)}
		}
	}
	return nil
}

// ReadOptions reads Options from a YAML or JSON file, in UTF-8 with or without a byte-order mark. It
// holds one document; one that is empty gives the zero Options.
func ReadOptions(path string) (Options, error) {
	var o Options
	text, err := os.ReadFile(path)
	if err != nil {
		return Options{}, fmt.Errorf("companion: read options: %w", err)
	}
	if err := parse(text, &o); err != nil {
		return Options{}, fmt.Errorf("companion: read options from %s: %w", path, err)
	}
	return o, nil
}

func parse(text []byte, o *Options) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
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
	var more any
	if err := d.Decode(&more); err != io.EOF {
		return errors.Join(errManyDocuments, err)
	}
	if hidesMore(text) {
		return errManyDocuments
	}
	return nil
}

var errManyDocuments = errors.New("more than one YAML document")

// hidesMore reports whether more comes after an empty document, where the decoder ends.
func hidesMore(text []byte) bool {
	begun, empty := false, false
	for _, t := range lexer.Tokenize(string(text)) {
		switch t.Type {
		case token.CommentType:
		case token.DocumentHeaderType, token.DocumentEndType:
			empty = empty || begun
			begun = t.Type == token.DocumentHeaderType
		default:
			if empty {
				return true
			}
			begun = false
		}
	}
	return false
}

// UnmarshalJSON reads Options strictly. As everywhere in JSON, null says nothing.
func (o *Options) UnmarshalJSON(text []byte) error {
	if err := jsonvalue.Check(text, backend.MaxDepth); err != nil { // finds duplicate keys too
		return &backend.InvalidError{Field: "options", Reason: err.Error()}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return mistyped(err)
	}
	if err := checkFields(fields, reflect.TypeFor[Options](), ""); err != nil {
		return err
	}
	var nested map[string]json.RawMessage
	if err := json.Unmarshal(fields["tls"], &nested); err == nil {
		if err := checkFields(nested, reflect.TypeFor[backend.TLS](), "tls."); err != nil {
			return err
		}
	}
	var settings map[string]any
	d := json.NewDecoder(bytes.NewReader(fields["settings"]))
	d.UseNumber()
	if err := d.Decode(&settings); err == nil {
		if err := checkNumbers("settings", settings); err != nil {
			return err
		}
	}
	type plain Options // without this method
	if err := json.Unmarshal(text, (*plain)(o)); err != nil {
		return mistyped(err)
	}
	return nil
}

// mistyped says in the words of a configuration which of its fields has a value of a wrong type.
func mistyped(err error) error {
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		return fmt.Errorf("companion: options: %w", err)
	}
	field, wanted := mismatch.Field, "an object"
	if field == "" {
		field = "options"
	}
	switch mismatch.Type.Kind() {
	case reflect.String:
		wanted = "a string"
	case reflect.Int:
		wanted = "a whole number"
	case reflect.Bool:
		wanted = "true or false"
	case reflect.Slice:
		wanted = "a list"
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

// checkNumbers reports the first number in v, which is in the field, that a float64 does not hold.
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

// checkFields reports the first of the fields, in the order of their names, that struct has not.
func checkFields[V any](fields map[string]V, of reflect.Type, prefix string) error {
	var known, unknown []string
	for i := range of.NumField() {
		if name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); name != "-" {
			known = append(known, name)
		}
	}
	for name := range fields {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return &backend.InvalidError{
		Field:  prefix + slices.Min(unknown),
		Reason: "no such option: there is " + prefix + strings.Join(known, ", "+prefix),
	}
}
