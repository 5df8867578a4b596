package settings

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Values is what the command was told: by flags first, then by variables, then by a file.
type Values struct {
	layers  []layer // the strongest first
	unknown []string
}

// A layer is what was said in one place.
type layer struct {
	name string // of the place
	k    *koanf.Koanf
}

// Load reads what the flags, the variables in environ and the file say that is named by one of them. A file with
// a setting that there is not, or with a value that a setting can't have, is an error, and so is such a variable.
func Load(flags *pflag.FlagSet, environ []string) (*Values, error) {
	v := &Values{}
	given, err := loadFlags(flags)
	if err != nil {
		return nil, err
	}
	variables, err := v.loadVariables(environ)
	if err != nil {
		return nil, err
	}
	v.layers = []layer{{"flag", given}, {"variable", variables}}
	path := ""
	if f := flags.Lookup(configFlag); f != nil {
		if path = f.Value.String(); path == "" {
			path = variables.String(configFlag)
		}
	}
	if path != "" {
		file, err := loadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the configuration %s: %w", path, err)
		}
		v.layers = append(v.layers, layer{"file " + path, file})
	}
	for _, s := range all {
		for _, l := range v.layers {
			if err := s.check(l.k.Get(s.Key)); err != nil {
				return nil, fmt.Errorf("setting %s, from %s: %w", s.Key, s.from(l), err)
			}
		}
	}
	defaults := map[string]any{}
	for _, s := range all {
		defaults[s.Key] = s.Default
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(defaults, "."), nil); err != nil {
		return nil, err
	}
	v.layers = append(v.layers, layer{"default", k})
	return v, nil
}

func loadFlags(flags *pflag.FlagSet) (*koanf.Koanf, error) {
	k := koanf.New(".")
	return k, k.Load(posflag.ProviderWithFlag(flags, ".", nil, func(f *pflag.Flag) (string, any) {
		s, ok := find(f.Name, Setting.Flag)
		if !ok || !f.Changed {
			return "", nil
		}
		if size, ok := f.Value.(*sizeValue); ok {
			return s.Key, size.Size
		}
		if d, err := flags.GetDuration(f.Name); err == nil {
			return s.Key, d
		}
		return s.Key, posflag.FlagVal(flags, f)
	}), nil)
}

func (v *Values) loadVariables(environ []string) (*koanf.Koanf, error) {
	k := koanf.New(".")
	var bad error
	err := k.Load(env.Provider(".", env.Opt{Prefix: Prefix, EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, text string) (string, any) {
			if name == Prefix+"CONFIG" {
				return configFlag, text
			}
			s, ok := find(name, Setting.Variable)
			if !ok {
				v.unknown = append(v.unknown, name)
				return "", nil
			}
			value, err := s.parse(text)
			if err != nil && bad == nil {
				bad = fmt.Errorf("variable %s: %w", name, err)
			}
			return s.Key, value
		}}), nil)
	if err == nil {
		err = bad
	}
	return k, err
}

func loadFile(path string) (*koanf.Koanf, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	read := koanf.New(".")
	if err := read.Load(rawbytes.Provider(text), yamlParser{}); err != nil {
		return nil, err
	}
	values := map[string]any{}
	for _, key := range read.Keys() {
		s, ok := find(key, func(s Setting) string { return s.Key })
		if !ok {
			return nil, fmt.Errorf("there is no setting %s: there is %s", key, strings.Join(keys(), ", "))
		}
		if read.Get(key) == nil {
			continue // as everywhere in YAML, null says nothing
		}
		if values[key], err = s.convert(read.Get(key)); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	k := koanf.New(".")
	return k, k.Load(confmap.Provider(values, "."), nil)
}

func keys() []string {
	names := make([]string, 0, len(all))
	for _, s := range all {
		names = append(names, s.Key)
	}
	slices.Sort(names)
	return names
}

// yamlParser is a koanf.Parser.
type yamlParser struct{}

func (yamlParser) Unmarshal(text []byte) (values map[string]any, err error) {
	if err = yaml.Unmarshal(text, &values); err != nil {
		err = errors.New(yaml.FormatError(err, false, false)) // without the lines, which may hold a secret
	}
	return values, err
}

func (yamlParser) Marshal(values map[string]any) ([]byte, error) { return yaml.Marshal(values) }

// at returns the strongest layer that says something of a setting.
func (v *Values) at(key string) layer {
	i := slices.IndexFunc(v.layers, func(l layer) bool { return l.k.Exists(key) })
	return v.layers[i]
}

// String, Bool, Int, Size, Duration and Strings return the value of the setting with that key, which must be of that type.
func (v *Values) String(key string) string { return get[string](v, key) }

// Bool is described with String.
func (v *Values) Bool(key string) bool { return get[bool](v, key) }

// Int is described with String.
func (v *Values) Int(key string) int { return get[int](v, key) }

// Size is described with String.
func (v *Values) Size(key string) int { return int(get[Size](v, key)) }

// Duration is described with String.
func (v *Values) Duration(key string) time.Duration { return get[time.Duration](v, key) }

// Strings is described with String.
func (v *Values) Strings(key string) []string { return get[[]string](v, key) }

func get[T any](v *Values, key string) T {
	value, _ := v.at(key).k.Get(key).(T)
	return value
}

// Given reports whether a setting was given by a flag.
func (v *Values) Given(key string) bool { return v.layers[0].k.Exists(key) }

// Strongest calls found with what each place says of some settings, the strongest place first, until it returns
// true.
func (v *Values) Strongest(found func(has func(key string) bool) bool) {
	for _, l := range v.layers {
		if found(func(key string) bool { return l.k.Exists(key) && l.k.Get(key) != "" }) {
			return
		}
	}
}

// Unknown returns the variables with the prefix of ours that are no setting's.
func (v *Values) Unknown() []string { return slices.Sorted(slices.Values(v.unknown)) }

// A Source is a setting, its value, and where that comes from.
type Source struct {
	Key      string `json:"setting"`
	Value    any    `json:"value"`
	From     string `json:"from"`
	Flag     string `json:"flag"`
	Variable string `json:"variable"`
}

// from says where the setting is said in a layer.
func (s Setting) from(l layer) string {
	switch l.name {
	case "flag":
		return l.name + " --" + s.Flag()
	case "variable":
		return l.name + " " + s.Variable()
	}
	return l.name
}

// Sources returns all settings, with secrets masked.
func (v *Values) Sources() []Source {
	var sources []Source
	for _, s := range all {
		l := v.at(s.Key)
		value := l.k.Get(s.Key)
		if d, ok := value.(time.Duration); ok {
			value = d.String()
		}
		if s.Secret && value != "" {
			value = "********"
		}
		sources = append(sources, Source{s.Key, value, s.from(l), "--" + s.Flag(), s.Variable()})
	}
	return sources
}
