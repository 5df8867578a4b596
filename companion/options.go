// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// Options says where a Store keeps its facts, and how it works. The zero Options is a store in memory.
//
// Options can be read from YAML or JSON ([ReadOptions], or as a part of an app's own configuration). Reading is strict
// with encoding/json, goccy/go-yaml, yaml.v3 and BurntSushi/toml: an unknown field is a *backend.InvalidError that
// names it. [Open] refuses a field that the chosen backend does not use.
//
// Viper, mapstructure and pelletier/go-toml read Options by their tags. By default they ignore unknown fields, such as
// a misspelt read_only: use viper.UnmarshalExact, ErrorUnused or DisallowUnknownFields. Plain mapstructure needs
// StringToTimeDurationHookFunc for write_timeout and max_skew; go-toml can't read them, and returns an error. Other
// loaders may ignore the tags, and so miss fields such as read_only. With any loader, a map can be read strictly as
// JSON:
//
//	text, err := json.Marshal(loaded["store"]) // a map[string]any
//	err = json.Unmarshal(text, &options)
//
// In an app's configuration, Options must be a named field. A struct that embeds Options would be read and written by
// the methods of Options: its own fields would be errors when it is read, and would be left out when it is written.
type Options struct {
	// Backend is the name of a registered backend; "": memory. This package registers memory, file and
	// network; import the package of any other.
	Backend string `json:"backend,omitempty" yaml:"backend,omitempty" toml:"backend,omitempty" mapstructure:"backend"`

	// These fields become the backend's Config, see [backend.Config]. Each backend uses some of them. Numbers in
	// Settings are read from YAML and JSON as float64; a number that a float64 can't hold, such as a whole number with
	// too many digits, is an error.
	Path      string         `json:"path,omitempty" yaml:"path,omitempty" toml:"path,omitempty" mapstructure:"path"`
	Address   string         `json:"address,omitempty" yaml:"address,omitempty" toml:"address,omitempty" mapstructure:"address"`
	Transport string         `json:"transport,omitempty" yaml:"transport,omitempty" toml:"transport,omitempty" mapstructure:"transport"`
	TLS       *backend.TLS   `json:"tls,omitempty" yaml:"tls,omitempty" toml:"tls,omitempty" mapstructure:"tls"`
	Token     string         `json:"token,omitempty" yaml:"token,omitempty" toml:"token,omitempty" mapstructure:"token"`
	Settings  map[string]any `json:"settings,omitempty" yaml:"settings,omitempty" toml:"settings,omitempty" mapstructure:"settings"`

	// Stores are the stores whose facts are read and kept in memory; nil: all; an empty list: none. See
	// [Store.Load] for others.
	Stores []string `json:"stores,omitzero" yaml:"stores,omitzero" toml:"stores,omitempty" mapstructure:"stores"`

	// KeepVersions is how many facts of each key are kept in memory at least, the latest ones; 0: all. Each read of the
	// past, and each watch or fold that is behind, reads older facts from the backend. A lineage that leads to such a
	// fact is ErrDropped.
	KeepVersions int `json:"keep_versions,omitempty" yaml:"keep_versions,omitempty" toml:"keep_versions,omitempty" mapstructure:"keep_versions"`

	// ReadOnly makes every write report [ErrReadOnly].
	ReadOnly bool `json:"read_only,omitempty" yaml:"read_only,omitempty" toml:"read_only,omitempty" mapstructure:"read_only"`

	// Progress, if not nil, is called during Open with the facts read so far.
	Progress func(OpenProgress) `json:"-" yaml:"-" toml:"-" mapstructure:"-"`

	// Trace, if not nil, returns the trace ID of a context, or "". Writes with the context have the ID as the field
	// "trace" of their producer. A producer that is not a JSON object, or has its own "trace", becomes the field "by"
	// beside it.
	Trace func(ctx context.Context) string `json:"-" yaml:"-" toml:"-" mapstructure:"-"`

	// WriteTimeout limits the time of each write. 0: only the write's context limits it, so that a write may wait for
	// as long as a server can't be reached. WriteTimeout is also how long rules go on after their caller's context has
	// ended; 0: 10 s. In a configuration it is text such as "30s". A time below a millisecond is a
	// *backend.InvalidError, since it probably comes from a number without a unit.
	WriteTimeout time.Duration `json:"write_timeout,omitempty" yaml:"write_timeout,omitempty" toml:"write_timeout,omitempty" mapstructure:"write_timeout"`

	// MaxSkew is how far the transaction time of an imported fact may be ahead of Now; 0: one minute. A later time is a
	// *backend.InvalidError, since every later fact of any store would get at least that time. In a configuration it is
	// text, like WriteTimeout.
	MaxSkew time.Duration `json:"max_skew,omitempty" yaml:"max_skew,omitempty" toml:"max_skew,omitempty" mapstructure:"max_skew"`

	// DerivationFailed, if not nil, is called for rules that failed, see [Records.Derive]. It may be called
	// concurrently.
	DerivationFailed func(err error) `json:"-" yaml:"-" toml:"-" mapstructure:"-"`

	// NewID makes the IDs of facts; nil: UUIDs of version 7. Now returns the current time. It is used for retention by
	// age, MaxSkew, and reads as of a time, see [store.Moment]; nil: time.Now. Both may be called concurrently.
	NewID func() (string, error) `json:"-" yaml:"-" toml:"-" mapstructure:"-"`
	Now   func() time.Time       `json:"-" yaml:"-" toml:"-" mapstructure:"-"`

	// Logger receives messages for the operator. Nil: errors go to standard error, and nothing else is logged;
	// zap.NewNop() logs nothing.
	Logger *zap.Logger `json:"-" yaml:"-" toml:"-" mapstructure:"-"`
}

func (o Options) config() backend.Config {
	return backend.Config{
		Path: o.Path, Address: o.Address, Transport: o.Transport, TLS: o.TLS, Token: o.Token, Settings: o.Settings, Logger: o.Logger,
	}
}
