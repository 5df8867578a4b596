// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/igniter-store/igniter/internal/plaintext"
)

// A Source is a setting, its value, and the source of the value.
type Source struct {
	Key      string `json:"setting"`
	Value    any    `json:"value"`
	From     string `json:"from"` // such as "flag --path", "variable IGNITER_PATH", "file igniter.yaml" or "default"
	Flag     string `json:"flag"`
	Variable string `json:"variable"`
}

// Values holds the values of all settings.
type Values struct {
	sources map[string]Source // by key, with values in their settings' types
	unknown []string
}

// Load reads settings from flags, from the variables in environ, and from the file that a flag or variable names. A
// flag takes precedence over a variable, and a variable over the file. An invalid value is an error, and so is an
// unknown setting in the file.
func Load(flags *pflag.FlagSet, environ []string) (*Values, error) {
	v := &Values{sources: map[string]Source{}}
	keys, variables, byFlag := map[string]Setting{}, map[string]Setting{}, map[string]Setting{}
	for _, s := range all {
		keys[s.Key], variables[s.Variable()], byFlag[s.Flag()] = s, s, s
	}
	path, err := flags.GetString(configFlag)
	hasSettings := err == nil
	fromVariables, err := layer(env.Provider(".", env.Opt{
		Prefix: prefix, EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, text string) (string, any) {
			if name == prefix+"CONFIG" {
				if hasSettings {
					path = cmp.Or(path, text)
				}
				return "", nil
			}
			s, ok := variables[name]
			if !ok {
				v.unknown = append(v.unknown, name)
			}
			return s.Key, text
		},
	}), nil)
	if err != nil {
		return nil, err
	}
	slices.Sort(v.unknown)
	fromFlags, err := layer(posflag.ProviderWithFlag(flags, ".", nil, func(f *pflag.Flag) (string, any) {
		s, ok := byFlag[f.Name]
		if v, isSetting := f.Value.(*flagValue); ok && isSetting && f.Changed { // a command may have its own flag with that name
			return s.Key, v.given
		}
		return "", nil
	}), nil)
	if err != nil {
		return nil, err
	}
	fromFile := koanf.New(".")
	if path != "" {
		text, err := plaintext.ReadFile(path)
		if err == nil {
			text, err = plaintext.UTF8(text)
		}
		if err == nil {
			fromFile, err = layer(rawbytes.Provider(text), yamlParser{})
		}
		if err != nil {
			return nil, fmt.Errorf("read the configuration %s: %w", path, err)
		}
	}
	for _, s := range all {
		err := v.set(s, "default", s.Default)
		if value := fromFile.Get(s.Key); value != nil && err == nil { // null sets nothing
			err = v.set(s, "file "+path, value)
		}
		if value := fromVariables.Get(s.Key); value != nil && err == nil {
			err = v.set(s, "variable "+s.Variable(), value)
		}
		if value := fromFlags.Get(s.Key); value != nil && err == nil {
			err = v.set(s, "flag --"+s.Flag(), value)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, key := range fromFile.Keys() {
		if _, ok := keys[key]; !ok && fromFile.Get(key) != nil {
			return nil, fmt.Errorf("%s: there is no setting %s: the settings are %s", path, key, strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		}
	}
	return v, nil
}

// layer returns the settings from one source.
func layer(p koanf.Provider, parser koanf.Parser) (*koanf.Koanf, error) {
	k := koanf.New(".")
	return k, k.Load(p, parser)
}

// A yamlParser implements koanf.Parser.
type yamlParser struct{}

func (yamlParser) Unmarshal(text []byte) (tree map[string]any, err error) {
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, errors.New(yaml.FormatError(err, false, false)) // without the lines, which may hold a secret
	}
	return tree, nil
}

func (yamlParser) Marshal(tree map[string]any) ([]byte, error) { return yaml.Marshal(tree) }

func (v *Values) set(s Setting, from string, given any) error {
	value, err := s.parse(given)
	if err != nil {
		return fmt.Errorf("setting %s, from %s: %w", s.Key, from, err)
	}
	v.sources[s.Key] = Source{s.Key, value, from, "--" + s.Flag(), s.Variable()}
	return nil
}

// String returns the value of the setting with a key. As for the methods below, the setting must have the type of the
// result.
func (v *Values) String(key string) string { return get[string](v, key) }

// Bool is like String.
func (v *Values) Bool(key string) bool { return get[bool](v, key) }

// Int returns a Number or a Size, and is like String otherwise.
func (v *Values) Int(key string) int { return get[int](v, key) }

// Duration is like String.
func (v *Values) Duration(key string) time.Duration { return get[time.Duration](v, key) }

// Strings is like String.
func (v *Values) Strings(key string) []string { return get[[]string](v, key) }

func get[T any](v *Values, key string) T {
	value, _ := v.sources[key].Value.(T)
	return value
}

// Given reports whether a flag sets the setting with a key.
func (v *Values) Given(key string) bool { return strings.HasPrefix(v.sources[key].From, "flag ") }

// IsDefault reports whether the setting with a key has its default.
func (v *Values) IsDefault(key string) bool { return v.sources[key].From == "default" }

// Strongest returns, among keys, the settings that are not empty and come from the strongest source that sets any of
// them: flags, then variables, then the file.
func (v *Values) Strongest(keys ...string) (given []string) {
	for _, place := range []string{"flag ", "variable ", "file "} {
		given = slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
			return !strings.HasPrefix(v.sources[key].From, place) || v.String(key) == ""
		})
		if len(given) > 0 {
			break
		}
	}
	return given
}

// Unknown returns the variables that begin with IGNITER_ and do not belong to a setting, sorted.
func (v *Values) Unknown() []string { return v.unknown }

// Sources returns all settings. Secrets are masked, and durations are texts.
func (v *Values) Sources() []Source {
	var sources []Source
	for _, s := range all {
		source := v.sources[s.Key]
		if d, ok := source.Value.(time.Duration); ok {
			source.Value = d.String()
		}
		if s.Secret && source.Value != "" {
			source.Value = "********"
		}
		sources = append(sources, source)
	}
	return sources
}
