// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

// read reads Options in every way that an app can: from a file, and as a part of its own
// configuration. All must agree.
func read(t *testing.T, text string) (companion.Options, error) {
	path := filepath.Join(t.TempDir(), "store.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	o, err := companion.ReadOptions(path)
	var direct companion.Options
	directErr := yaml.Unmarshal([]byte(text), &direct)
	require.Equal(t, err == nil, directErr == nil, "%v, %v", err, directErr)
	if err == nil {
		require.Equal(t, o, direct)
	}
	if json.Valid([]byte(text)) {
		var app struct{ Store companion.Options }
		jsonErr := json.Unmarshal([]byte(`{"store":`+text+`}`), &app)
		require.Equal(t, err == nil, jsonErr == nil, "%v, %v", err, jsonErr)
		if err == nil {
			require.Equal(t, o, app.Store)
		} else {
			require.ErrorIs(t, jsonErr, backend.ErrInvalid)
		}
	}
	return o, err
}

func TestReadOptions(t *testing.T) {
	want := companion.Options{
		Backend: "network", Address: "127.0.0.1:7400", Transport: "tcp", Token: "secret",
		TLS: &backend.TLS{CA: "ca.pem", ServerName: "igniter"}, Settings: map[string]any{"window": "5s"},
	}
	for _, text := range []string{
		"backend: network\naddress: 127.0.0.1:7400\ntransport: tcp\ntoken: secret # of ours\ntls:\n  ca: ca.pem\n  server_name: igniter\nsettings: {window: 5s}\n",
		`{"backend":"network","address":"127.0.0.1:7400","transport":"tcp","token":"secret","tls":{"ca":"ca.pem","server_name":"igniter"},"settings":{"window":"5s"}}`,
	} {
		o, err := read(t, text)
		require.NoError(t, err)
		require.Equal(t, want, o)
	}
	for _, text := range []string{"{}", "", "# nothing\n", "---\n", "{}\n...\n", "null", `{"tls":null}`, "tls:\n", `{"path":""}`, "{\n\t\"path\": \"\"\n}"} {
		o, err := read(t, text)
		require.NoError(t, err, text)
		require.Equal(t, companion.Options{}, o)
	}
	_, err := companion.ReadOptions(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestReadOptionsIsStrict(t *testing.T) {
	for text, field := range map[string]string{
		`{"backend":"memory","pth":"x"}`:    "pth",
		"backend: memory\npth: x\nabc: y\n": "abc",
		`{"Backend":"memory"}`:              "Backend",
		`{"logger":"x"}`:                    "logger",
		`{"-":"x"}`:                         "-",
		`{"tls":{"ca":"x","crt":"y"}}`:      "tls.crt",
		"tls: {keys: y}":                    "tls.keys",
		`{"path":5}`:                        "path",
		`{"path":["a"]}`:                    "path",
		`{"tls":"yes"}`:                     "tls",
		`{"tls":{"ca":true}}`:               "tls.ca",
		`{"settings":[1]}`:                  "settings",
		`{"settings":{"deep":` + strings.Repeat("[", 90) + strings.Repeat("]", 90) + `}}`: "options",
		`{"backend":"a","backend":"b"}`: "options",
		`{"settings":{"a":1,"a":2}}`:    "options",
		"settings: {a: .nan}":           "options",
		`[]`:                            "options",
		`"memory"`:                      "options",
		"5":                             "options",
	} {
		_, err := read(t, text)
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid, text)
		require.Equal(t, field, invalid.Field, text)
	}
	for _, text := range []string{"backend: memory\nbackend: file\n", "a: [", "{}x", "backend: memory\n  path: x", "tls: {ca: a, ca: b}"} {
		o, err := read(t, text)
		require.Error(t, err, text)
		require.Zero(t, o)
	}
}

// Errors use the words of the configuration, not of Go.
func TestReadOptionsExplains(t *testing.T) {
	for text, want := range map[string]string{
		`{"pth":"x"}`:        "invalid pth: no such option: the options are backend, path, address, transport, tls, token, settings",
		`{"tls":{"crt":""}}`: "invalid tls.crt: no such option: the options are tls.ca, tls.cert, tls.key, tls.server_name",
		`{"path":["a"]}`:     "invalid path: a string is wanted, not this array",
		"tls: 5":             "invalid tls: an object is wanted, not this number",
		"settings: yes!":     "invalid settings: an object is wanted, not this string",
		"- a":                "invalid options: an object is wanted, not this array",
		"keep_versions: ten": "invalid keep_versions: a whole number is wanted, not this string",
		"keep_versions: 1.5": "invalid keep_versions: a whole number is wanted, not this number 1.5",
		"read_only: 1":       "invalid read_only: true or false is wanted, not this number",
		"stores: tasks":      "invalid stores: a list is wanted, not this string",
		"stores: [1]":        "invalid stores: a string is wanted, not this number",
		"write_timeout: 30":  `invalid write_timeout: 30 is not a time in quotes such as "30s"`,
		"write_timeout: 30x": `invalid write_timeout: "30x" is not a time`,
		"write_timeout: []":  "invalid write_timeout: [] is not a time",
		"max_skew: 60":       `invalid max_skew: 60 is not a time in quotes`,
	} {
		_, err := read(t, text)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "store.yaml", "which file it is")
	}
	_, err := read(t, `{"backend":"a","backend":"b"}`)
	require.ErrorContains(t, err, `the key "backend" a second time`)
}

func TestReadOptionsReadsOneDocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.yaml")
	for text, want := range map[string]string{
		"# of the shop\n---\nbackend: memory\n":   "",
		"backend: memory\n---\n# nothing\n":       "",
		"backend: memory\n---\n---\n...\n":        "more than one",
		"---\r---\rbackend: file\r":               "more than one",
		"---\r\n---\r\nbackend: file\r\n":         "more than one",
		"backend: memory\n...\npath: x\n":         "more than one",
		"---\r\nbackend: memory\r\n...\r\n":       "",
		"%YAML 1.2\n---\nbackend: memory\n":       "",
		"\ufeffbackend: memory\n":                 "",
		"\ufeff{\"backend\": \"memory\"}":         "",
		"---\n---\nbackend: file\n":               "more than one",
		"---\n# empty\n---\nbackend: file\n":      "more than one",
		"--- # empty\n---\n---\nbackend: file\n":  "more than one",
		"backend: memory\n---\n---\npath: x\n":    "more than one",
		"%YAML 1.2\n---\n---\nbackend: file\n":    "more than one",
		"---\n...\n---\nbackend: file\n":          "scalar",
		"null\n---\nbackend: file\n":              "more than one",
		"path: \xff\n":                            "not valid UTF-8",
		"{\"path\": \"\xff\"}":                    "not valid UTF-8",
		"\xff\xfep\x00":                           "not valid UTF-8", // UTF-16
		"backend: memory\n---\nbackend: file\n":   "more than one",
		"backend: memory\n---\n[\n":               "sequence end",
		"backend: memory\n...\npath: [ garbage\n": "sequence end",
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		o, err := companion.ReadOptions(path)
		if want == "" {
			require.NoError(t, err, text)
			require.Equal(t, companion.Options{Backend: "memory"}, o)
			continue
		}
		require.ErrorContains(t, err, want, text)
		require.Zero(t, o)
	}
}

// Numbers in settings are float64. A number that a float64 does not hold is an error, and is not rounded; YAML reads
// some of them as strings.
func TestNumbersInSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.yaml")
	for text, want := range map[string]any{ // a value, or an error's text
		`{"settings":{"a":[1,-0.5,1e300,9007199254740992,0.1234567890123456789]}}`: []any{1.0, -0.5, 1e300, 9007199254740992.0, 0.12345678901234568},
		"settings: {a: [1, -0.5, 9007199254740992, 123456789012345678901.5]}":      []any{1.0, -0.5, 9007199254740992.0, 123456789012345678901.5},
		"settings: {a: 123456789012345678901234}":                                  "123456789012345678901234",
		"settings: {a: 1e400}":                           "1e400",
		`{"settings":{"a":1e400}}`:                       errors.New("invalid settings.a: 1e400 is beyond what a float64 holds"),
		`{"settings":{"a":[0,-1e400]}}`:                  errors.New("invalid settings.a: -1e400 is beyond"),
		`{"settings":{"b":{"c":-9007199254740993}}}`:     errors.New("invalid settings.b.c: -9007199254740993 has more digits"),
		`{"settings":{"a":123456789012345678901234}}`:    errors.New("invalid settings.a: 123456789012345678901234 has more digits"),
		"settings: {a: 1, b: {c: [0x7fffffffffffffff]}}": errors.New("invalid settings.b.c: 9223372036854775807 has more digits"),
		"settings: {a: 9007199254740993}":                errors.New(`9007199254740993 has more digits than a float64 holds: write it as a string, "9007199254740993"`),
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		o, err := companion.ReadOptions(path)
		if reason, ok := want.(error); ok {
			require.ErrorIs(t, err, backend.ErrInvalid)
			require.ErrorContains(t, err, reason.Error())
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, o.Settings["a"], text)
	}
}

// Options can be a part of an app's own configuration, as a value or as a pointer.
func TestOptionsAsAPart(t *testing.T) {
	type byValue struct {
		Name  string            `json:"name" yaml:"name"`
		Store companion.Options `json:"store" yaml:"store"`
	}
	type byPointer struct {
		Name  string             `json:"name" yaml:"name"`
		Store *companion.Options `json:"store" yaml:"store"`
	}
	strictly := func(text []byte, v any) error { return yaml.UnmarshalWithOptions(text, v, yaml.Strict()) }
	for _, unmarshal := range []func([]byte, any) error{json.Unmarshal, yaml.Unmarshal, strictly} {
		want := companion.Options{Backend: "file", Path: "/var/lib/shop", TLS: &backend.TLS{Key: "k"}}
		text := []byte(`{"name": "shop", "store": {"backend": "file", "path": "/var/lib/shop", "tls": {"key": "k"}}}`)
		var value byValue
		require.NoError(t, unmarshal(text, &value))
		require.Equal(t, byValue{"shop", want}, value)
		var pointer byPointer
		require.NoError(t, unmarshal(text, &pointer))
		require.Equal(t, byPointer{"shop", &want}, pointer)

		for _, text := range []string{`{"name": "shop"}`, `{"name": "shop", "store": null}`} {
			value, pointer = byValue{}, byPointer{}
			require.NoError(t, unmarshal([]byte(text), &value))
			require.Zero(t, value.Store)
			require.NoError(t, unmarshal([]byte(text), &pointer))
			require.Nil(t, pointer.Store)
		}
		for text, field := range map[string]string{
			`{"store": {"pth": "x"}}`: "pth", `{"store": {"tls": {"crt": "x"}}}`: "tls.crt", `{"store": {"path": 5}}`: "path",
			`{"store": {"tls": {"ca": []}}}`: "tls.ca", `{"store": 5}`: "options", `{"store": ["memory"]}`: "options",
		} {
			for _, v := range []any{&byValue{}, &byPointer{}} {
				var invalid *backend.InvalidError
				require.ErrorAs(t, unmarshal([]byte(text), v), &invalid, text)
				require.Equal(t, field, invalid.Field)
			}
		}
		require.Error(t, unmarshal([]byte(`{"store": {"backend": "a", "backend": "b"}}`), &value))
	}
}

// Options that are written are read back the same; fields that are not set are not written.
func TestOptionsRoundTrip(t *testing.T) {
	for _, o := range []companion.Options{
		{},
		{Stores: []string{}, KeepVersions: 3, ReadOnly: true}, // an empty list is not nil
		{Stores: []string{"tasks"}},
		{WriteTimeout: 90*time.Second + time.Millisecond},
		{MaxSkew: time.Hour},
		{Backend: "b", Path: "p", Address: "a", Transport: "t", TLS: &backend.TLS{CA: "1", Cert: "2", Key: "3", ServerName: "4"}, Token: "0123", Settings: map[string]any{"n": 1.5, "s": "no"}},
	} {
		asJSON, err := json.Marshal(o)
		require.NoError(t, err)
		asYAML, err := yaml.Marshal(o)
		require.NoError(t, err)
		for _, text := range [][]byte{asJSON, asYAML} {
			back, err := read(t, string(text))
			require.NoError(t, err)
			require.Equal(t, o, back)
		}
	}
	text, err := json.Marshal(companion.Options{Logger: zap.NewNop()})
	require.NoError(t, err)
	require.Equal(t, "{}", string(text))
}

// What is read changes only the options that it names; the others keep the app's defaults.
func TestOptionsOverDefaults(t *testing.T) {
	for _, unmarshal := range []func(*companion.Options) error{
		func(o *companion.Options) error {
			return json.Unmarshal([]byte(`{"path":"q","write_timeout":null,"stores":null,"settings":{"b":2}}`), o)
		},
		func(o *companion.Options) error { return yaml.Unmarshal([]byte("path: q\nsettings: {b: 2}\n"), o) },
		func(o *companion.Options) error {
			return o.UnmarshalTOML(map[string]any{"path": "q", "settings": map[string]any{"b": 2}})
		},
	} {
		o := companion.Options{Backend: "file", Path: "p", ReadOnly: true, WriteTimeout: 5 * time.Second, Settings: map[string]any{"a": 1.0}}
		require.NoError(t, unmarshal(&o))
		require.Equal(t, companion.Options{
			Backend: "file", Path: "q", ReadOnly: true, WriteTimeout: 5 * time.Second, Settings: map[string]any{"a": 1.0, "b": 2.0},
		}, o)
	}
}

// A decoder that makes a time of a text is an error, wherever the text is: it would be written in another way.
func TestOptionsHaveNoTimes(t *testing.T) {
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for field, value := range map[string]any{
		"path": at, "ca": map[string]any{"tls": map[string]any{"ca": at}}, "stores": map[string]any{"stores": []any{"a", at}},
		"list": map[string]any{"settings": map[string]any{"list": []map[string]any{{"list": at}}}},
	} {
		if field == "path" {
			value = map[string]any{"path": at}
		}
		var o companion.Options
		var invalid *backend.InvalidError
		require.ErrorAs(t, o.UnmarshalTOML(value), &invalid)
		require.Equal(t, field, invalid.Field)
		require.Contains(t, invalid.Reason, "in quotes")
		require.Zero(t, o)
	}
}

// A struct that embeds Options is no configuration: that is an error, and not a field that is lost.
func TestEmbeddedOptions(t *testing.T) {
	var app struct {
		companion.Options `yaml:",inline"`
		Name              string `json:"name" yaml:"name"`
	}
	for _, unmarshal := range []func([]byte, any) error{json.Unmarshal, yaml.Unmarshal} {
		var invalid *backend.InvalidError
		require.ErrorAs(t, unmarshal([]byte(`{"name": "shop", "read_only": true}`), &app), &invalid)
		require.Equal(t, "name", invalid.Field)
	}
}

func TestOpenIsStrict(t *testing.T) {
	for field, o := range map[string]companion.Options{
		"backend":   {Backend: "nonesuch"},
		"path":      {Path: "x"},
		"address":   {Backend: "memory", Address: "x"},
		"transport": {Transport: "tcp"},
		"tls":       {TLS: &backend.TLS{}},
		"token":     {Token: "x"},
		"depth":     {Settings: map[string]any{"depth": 1}},

		"write_timeout": {WriteTimeout: 30}, // a number without a unit
		"max_skew":      {MaxSkew: 60},
		"keep_versions": {KeepVersions: -1},
		"stores":        {Stores: []string{"tasks", ""}},
	} {
		_, err := companion.Open(t.Context(), o)
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Field)
	}
	_, err := companion.Open(t.Context(), companion.Options{Backend: "nonesuch"})
	require.ErrorContains(t, err, "memory", "the known ones are named")

	log := memory.New(memory.Options{})
	defer log.Close()
	for field, o := range map[string]companion.Options{
		"backend": {Backend: "memory", Path: "x"}, "path": {Path: "x"}, "address": {Address: "x"}, "transport": {Transport: "x"},
		"tls": {TLS: &backend.TLS{}}, "token": {Token: "x"}, "depth": {Settings: map[string]any{"depth": 1}},
	} {
		_, err := companion.New(t.Context(), log, o)
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Field)
		require.Contains(t, invalid.Reason, "New is given an open")
	}
	_, err = companion.New(t.Context(), nil, companion.Options{})
	require.ErrorIs(t, err, backend.ErrInvalid)
}
