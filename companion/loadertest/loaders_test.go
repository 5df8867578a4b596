// SPDX-License-Identifier: Apache-2.0

// Package loadertest requires that companion.Options can be a part of an app's own configuration. It is a module of its
// own so that the loaders of others do not become dependencies of Igniter.
package loadertest

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/go-viper/mapstructure/v2"
	goccy "github.com/goccy/go-yaml"
	gotoml "github.com/pelletier/go-toml/v2"
	"github.com/spf13/viper"
	"github.com/stretchr/testify/require"
	yaml3 "gopkg.in/yaml.v3"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

// App is an app's own configuration.
type App struct {
	Store companion.Options `json:"store" yaml:"store" toml:"store" mapstructure:"store"`
}

// One configuration in each format.
const (
	jsonText = `{"store": {"backend": "file", "path": "p", "read_only": true, "keep_versions": 3, "stores": ["a"],
		"tls": {"ca": "c", "server_name": "s"}, "write_timeout": "30s", "max_skew": "5m",
		"settings": {"must_exist": true, "max_frame": 1048576, "sync_interval": "50ms"}}}`
	yamlText = `store:
  backend: file
  path: p
  read_only: true
  keep_versions: 3
  stores: [a]
  tls: {ca: c, server_name: s}
  write_timeout: 30s
  max_skew: 5m
  settings: {must_exist: true, max_frame: 1048576, sync_interval: 50ms}
`
	tomlText = `[store]
backend = "file"
path = "p"
read_only = true
keep_versions = 3
stores = ["a"]
write_timeout = "30s"
max_skew = "5m"
[store.tls]
ca = "c"
server_name = "s"
[store.settings]
must_exist = true
max_frame = 1048576
sync_interval = "50ms"
`
)

// Configurations with a field that does not exist.
const (
	jsonMisspelt = `{"store": {"readonly": true}}`
	yamlMisspelt = "store:\n  readonly: true\n"
	tomlMisspelt = "[store]\nreadonly = true\n"
)

func byViper(format string) func([]byte, any) error {
	return func(text []byte, to any) error {
		v := viper.New()
		v.SetConfigType(format)
		if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
			return err
		}
		return v.UnmarshalExact(to)
	}
}

// byMapstructure is the way that the comment of Options names for mapstructure.
func byMapstructure(text []byte, to any) error {
	var loaded map[string]any
	if err := yaml3.Unmarshal(text, &loaded); err != nil {
		return err
	}
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: to, ErrorUnused: true, DecodeHook: mapstructure.StringToTimeDurationHookFunc(),
	})
	if err != nil {
		return err
	}
	return d.Decode(loaded)
}

// byMap is the way that the comment of Options names for all other loaders: a map as JSON.
func byMap(load func([]byte, any) error) func([]byte, any) error {
	return func(text []byte, to any) error {
		var loaded map[string]any
		if err := load(text, &loaded); err != nil {
			return err
		}
		again, err := json.Marshal(loaded["store"])
		if err != nil {
			return err
		}
		return json.Unmarshal(again, &to.(*App).Store)
	}
}

var loaders = []struct {
	name           string
	load           func([]byte, any) error
	text, misspelt string
}{
	{"encoding/json", json.Unmarshal, jsonText, jsonMisspelt},
	{"goccy/go-yaml", goccy.Unmarshal, yamlText, yamlMisspelt},
	{"yaml.v3", yaml3.Unmarshal, yamlText, yamlMisspelt},
	{"BurntSushi/toml", toml.Unmarshal, tomlText, tomlMisspelt},
	{"viper, YAML", byViper("yaml"), yamlText, yamlMisspelt},
	{"viper, JSON", byViper("json"), jsonText, jsonMisspelt},
	{"viper, TOML", byViper("toml"), tomlText, tomlMisspelt},
	{"mapstructure", byMapstructure, yamlText, yamlMisspelt},
	{"go-toml, by a map", byMap(gotoml.Unmarshal), tomlText, tomlMisspelt},
	{"yaml.v3, by a map", byMap(yaml3.Unmarshal), yamlText, yamlMisspelt},
}

func TestLoaders(t *testing.T) {
	for _, l := range loaders {
		t.Run(l.name, func(t *testing.T) {
			var app App
			require.NoError(t, l.load([]byte(l.text), &app))
			o := app.Store
			require.EqualValues(t, 1048576, o.Settings["max_frame"])
			o.Settings["max_frame"] = nil // loaders differ in its type
			require.Equal(t, companion.Options{
				Backend: "file", Path: "p", ReadOnly: true, KeepVersions: 3, Stores: []string{"a"}, WriteTimeout: 30 * time.Second, MaxSkew: 5 * time.Minute,
				TLS:      &backend.TLS{CA: "c", ServerName: "s"},
				Settings: map[string]any{"must_exist": true, "max_frame": nil, "sync_interval": "50ms"},
			}, o)

			require.ErrorContains(t, l.load([]byte(l.misspelt), new(App)), "readonly")
		})
	}
}

// TestSettings requires that the settings of the file backend reach it, whatever the loader makes of their types.
func TestSettings(t *testing.T) {
	for _, l := range loaders {
		t.Run(l.name, func(t *testing.T) {
			open := func(change func(*companion.Options)) error {
				var app App
				require.NoError(t, l.load([]byte(l.text), &app))
				o := app.Store
				o.TLS, o.ReadOnly, o.Path = nil, false, t.TempDir()+"/log"
				change(&o)
				s, err := companion.Open(t.Context(), o)
				if err == nil {
					require.NoError(t, s.Close())
				}
				return err
			}
			require.ErrorContains(t, open(func(*companion.Options) {}), "no log") // must_exist
			require.NoError(t, open(func(o *companion.Options) { o.Settings["must_exist"] = false }))
			require.ErrorContains(t, open(func(o *companion.Options) { o.Settings["max_frame"] = 1.5 }), "max_frame")
		})
	}
}

// TestGoTOML requires that go-toml, which does not read times, reports them, and keeps the other fields.
func TestGoTOML(t *testing.T) {
	require.Error(t, gotoml.Unmarshal([]byte(tomlText), new(App)))

	var app App
	require.NoError(t, gotoml.Unmarshal([]byte("[store]\nread_only = true\ntls = {server_name = \"s\"}\n"), &app))
	require.True(t, app.Store.ReadOnly)
	require.Equal(t, "s", app.Store.TLS.ServerName)

	d := gotoml.NewDecoder(bytes.NewReader([]byte(tomlMisspelt))).DisallowUnknownFields()
	require.Error(t, d.Decode(new(App)))
}

// TestNumberAsTime requires that a number without a unit is an error, from the loader or when the store is opened.
func TestNumberAsTime(t *testing.T) {
	for name, load := range map[string]func() (App, error){
		"encoding/json": func() (a App, err error) {
			return a, json.Unmarshal([]byte(`{"store": {"write_timeout": 30}}`), &a)
		},
		"goccy/go-yaml": func() (a App, err error) {
			return a, goccy.Unmarshal([]byte("store:\n  write_timeout: 30\n"), &a)
		},
		"BurntSushi/toml": func() (a App, err error) {
			return a, toml.Unmarshal([]byte("[store]\nwrite_timeout = 30\n"), &a)
		},
		"go-toml": func() (a App, err error) {
			err = gotoml.Unmarshal([]byte("[store]\nwrite_timeout = 30\n"), &a)
			return a, err
		},
		"viper": func() (a App, err error) {
			err = byViper("yaml")([]byte("store:\n  write_timeout: 30\n"), &a)
			return a, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := load()
			if err == nil {
				_, err = companion.Open(t.Context(), app.Store)
			}
			require.ErrorContains(t, err, "write_timeout")
		})
	}
}

// TestTextAsTime requires that a text that TOML takes for a time is an error.
func TestTextAsTime(t *testing.T) {
	require.ErrorContains(t, toml.Unmarshal([]byte("[store]\npath = 2026-01-02\n"), new(App)), "in quotes")
}
