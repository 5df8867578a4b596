// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// A Config holds the settings with which [Open] opens a backend by name, as a configuration file
// gives them. Each backend uses some of the fields and says which with [Config.Only]; the zero Config is valid for a
// backend that needs no settings.
type Config struct {
	Path      string         // a directory, for backends that keep files
	Address   string         // host:port or a socket's path, for backends that dial
	Transport string         // "tcp" or "unix"; "": the backend's default
	TLS       *TLS           // nil: no TLS
	Token     string         // identifies the caller to a server; "": none
	Settings  map[string]any // further settings, by the backend's own names

	Logger *zap.Logger // for messages that an operator must see; nil: nothing is logged
}

// TLS has the settings of a secured connection. The zero TLS uses the system's certificate authorities.
type TLS struct {
	CA         string `json:"ca,omitempty" yaml:"ca,omitempty" toml:"ca,omitempty" mapstructure:"ca"`                                     // PEM file of the authorities to trust; "": the system's
	Cert       string `json:"cert,omitempty" yaml:"cert,omitempty" toml:"cert,omitempty" mapstructure:"cert"`                             // PEM file of the client's certificate; "": none
	Key        string `json:"key,omitempty" yaml:"key,omitempty" toml:"key,omitempty" mapstructure:"key"`                                 // PEM file of its key
	ServerName string `json:"server_name,omitempty" yaml:"server_name,omitempty" toml:"server_name,omitempty" mapstructure:"server_name"` // expected in the server's certificate; "": the address's host
}

// Only returns an *InvalidError that names the first field of c that is set and not allowed, or
// nil. A backend calls it so that no setting is silently ignored. Fields have their JSON names
// ("path", "address", "transport", "tls", "token"). Each key of Settings is a name too; it must
// not be one of these five.
func (c Config) Only(backend string, allowed ...string) error {
	fields := []struct {
		name string
		set  bool
	}{
		{"path", c.Path != ""},
		{"address", c.Address != ""},
		{"transport", c.Transport != ""},
		{"tls", c.TLS != nil},
		{"token", c.Token != ""},
	}
	var set []string
	for _, f := range fields {
		if _, ok := c.Settings[f.name]; ok {
			return &InvalidError{f.name, "among the settings: it is a field of its own, beside them"}
		}
		if f.set {
			set = append(set, f.name)
		}
	}
	for _, name := range append(set, slices.Sorted(maps.Keys(c.Settings))...) {
		if !slices.Contains(allowed, name) {
			uses := "no settings"
			if len(allowed) > 0 {
				uses = strings.Join(allowed, ", ")
			}
			return &InvalidError{name, fmt.Sprintf("backend %q does not use it; it uses %s", backend, uses)}
		}
	}
	return nil
}

// WholeNumber returns the setting with the given name, or 0 if it is not set. The value may have any numeric type that a
// YAML or JSON decoder returns. If it is not a whole number above 0, the error is an *InvalidError.
func (c Config) WholeNumber(name string) (int64, error) {
	v, ok := c.Settings[name]
	if !ok {
		return 0, nil
	}
	const limit = 1 << 62
	n := int64(0)
	switch v := v.(type) {
	case int:
		n = int64(v)
	case int64:
		n = v
	case uint64:
		n = int64(min(v, limit))
	case float64:
		if v == math.Trunc(v) && v < limit {
			n = int64(v)
		}
	}
	if n <= 0 || n >= limit {
		return 0, &InvalidError{name, fmt.Sprintf("%v is not a whole number above 0", v)}
	}
	return n, nil
}
