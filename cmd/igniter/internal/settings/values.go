package settings

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// A Source is a setting, its value, and where that comes from.
type Source struct {
	Key      string `json:"setting"`
	Value    any    `json:"value"`
	From     string `json:"from"` // such as "flag --path", "variable IGNITER_PATH", "file igniter.yaml" or "default"
	Flag     string `json:"flag"`
	Variable string `json:"variable"`
}

// Values holds what the command was told.
type Values struct {
	sources map[string]Source // by key, with values in their settings' types
	unknown []string
}

// Load reads the settings that are given by flags, by the variables in environ, and by the file that a flag or variable
// names. A flag takes precedence over a variable, and a variable over the file. A value that a setting can't have is an
// error, and so is an unknown setting in the file.
func Load(flags *pflag.FlagSet, environ []string) (*Values, error) {
	variables, file := map[string]string{}, map[string]any{}
	for _, variable := range environ {
		if name, text, _ := strings.Cut(variable, "="); strings.HasPrefix(name, prefix) {
			variables[name] = text
		}
	}
	path, err := flags.GetString(configFlag)
	if err == nil { // the command has settings
		path = cmp.Or(path, variables[prefix+"CONFIG"])
	}
	delete(variables, prefix+"CONFIG")
	if path != "" {
		if file, err = readFile(path); err != nil {
			return nil, fmt.Errorf("read the configuration %s: %w", path, err)
		}
	}
	v := &Values{sources: map[string]Source{}}
	for _, s := range all {
		err := v.set(s, "default", s.Default)
		if value, ok := file[s.Key]; ok && err == nil {
			err = v.set(s, "file "+path, value)
		}
		if text, ok := variables[s.Variable()]; ok && err == nil {
			err = v.set(s, "variable "+s.Variable(), text)
		}
		if f := flags.Lookup(s.Flag()); f != nil && f.Changed && err == nil {
			err = v.set(s, "flag --"+s.Flag(), f.Value.(*flagValue).given)
		}
		if err != nil {
			return nil, err
		}
		delete(file, s.Key)
		delete(variables, s.Variable())
	}
	for _, key := range slices.Sorted(maps.Keys(file)) {
		return nil, fmt.Errorf("%s: there is no setting %s: there is %s", path, key, strings.Join(slices.Sorted(maps.Keys(v.sources)), ", "))
	}
	v.unknown = slices.Sorted(maps.Keys(variables))
	return v, nil
}

func (v *Values) set(s Setting, from string, given any) error {
	value, err := s.parse(given)
	if err != nil {
		return fmt.Errorf("setting %s, from %s: %w", s.Key, from, err)
	}
	v.sources[s.Key] = Source{s.Key, value, from, "--" + s.Flag(), s.Variable()}
	return nil
}

// readFile returns the values in a YAML file by their keys.
func readFile(path string) (map[string]any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, errors.New(yaml.FormatError(err, false, false)) // without the lines, which may hold a secret
	}
	values := map[string]any{}
	flatten(values, "", tree)
	return values, nil
}

func flatten(values map[string]any, before string, tree map[string]any) {
	for name, value := range tree {
		if inner, ok := value.(map[string]any); ok {
			flatten(values, before+name+".", inner)
		} else if value != nil { // null says nothing, as everywhere in YAML
			values[before+name] = value
		}
	}
}

// String returns the value of the setting with a key. The setting must have that type, here and below.
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

// Given reports whether a flag gives the setting with a key.
func (v *Values) Given(key string) bool { return strings.HasPrefix(v.sources[key].From, "flag ") }

// Strongest returns those of some settings, by key, that are not empty and come from the same place: from flags or else
// from variables or else from the file.
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

// Unknown returns the variables that begin with IGNITER_ and belong to no setting, sorted.
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
