// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// Options says where a Store keeps its facts. The zero Options is a store in memory.
//
// Options can be read from YAML or JSON ([ReadOptions], or as a part of an app's own configuration).
// Reading is strict: a field that does not exist, or that the chosen backend does not use, is a
// *backend.InvalidError that names it. This holds for encoding/json, goccy/go-yaml, yaml.v3 and BurntSushi/toml.
//
// Viper, mapstructure and pelletier/go-toml read Options by their tags. They ignore fields that do not exist, such as a
// misspelt read_only, unless they are told not to: use viper.UnmarshalExact, ErrorUnused or DisallowUnknownFields. Plain
// mapstructure needs StringToTimeDurationHookFunc for write_timeout and max_skew; go-toml reads neither, and reports them. Other
// loaders may ignore the tags, and with them read_only. With any loader, a map can be read strictly as JSON:
//
//	text, err := json.Marshal(loaded["store"]) // a map[string]any
//	err = json.Unmarshal(text, &options)
//
// Options is a field with a name in an app's configuration. A struct that embeds Options is read and written by the
// methods of Options, so that its other fields are errors when it is read, and are left out when it is written.
type Options struct {
	// Backend is the name of a registered backend; "": memory. This package registers memory, file and
	// network; import the package of any other.
	Backend string `json:"backend,omitempty" yaml:"backend,omitempty" toml:"backend,omitempty" mapstructure:"backend"`

	// These fields become the backend's Config, see [backend.Config]. Each backend uses some of them.
	// Numbers in Settings are float64 when read from YAML or JSON; a number that a float64 can't
	// hold, such as a whole number with too many digits, is an error.
	Path      string         `json:"path,omitempty" yaml:"path,omitempty" toml:"path,omitempty" mapstructure:"path"`
	Address   string         `json:"address,omitempty" yaml:"address,omitempty" toml:"address,omitempty" mapstructure:"address"`
	Transport string         `json:"transport,omitempty" yaml:"transport,omitempty" toml:"transport,omitempty" mapstructure:"transport"`
	TLS       *backend.TLS   `json:"tls,omitempty" yaml:"tls,omitempty" toml:"tls,omitempty" mapstructure:"tls"`
	Token     string         `json:"token,omitempty" yaml:"token,omitempty" toml:"token,omitempty" mapstructure:"token"`
	Settings  map[string]any `json:"settings,omitempty" yaml:"settings,omitempty" toml:"settings,omitempty" mapstructure:"settings"`

	// Stores are the stores whose facts are read and kept in memory; nil: all; an empty list: none. See
	// [Store.Load] for others.
	Stores []string `json:"stores,omitzero" yaml:"stores,omitzero" toml:"stores,omitempty" mapstructure:"stores"`

	// KeepVersions is the least number of facts of each key that are kept in memory, the latest ones; 0:
	// all. Reads of the past, and watches and folds that are behind, read from the backend what is not in
	// memory, every time. A lineage that leads to such a fact is ErrDropped.
	KeepVersions int `json:"keep_versions,omitempty" yaml:"keep_versions,omitempty" toml:"keep_versions,omitempty" mapstructure:"keep_versions"`

	// ReadOnly makes every write report [ErrReadOnly].
	ReadOnly bool `json:"read_only,omitempty" yaml:"read_only,omitempty" toml:"read_only,omitempty" mapstructure:"read_only"`

	// Progress, if not nil, is called during Open with the facts read so far.
	Progress func(OpenProgress) `json:"-" yaml:"-" toml:"-" mapstructure:"-"`

	// Trace, if not nil, returns the trace ID of a context, or "". It becomes the field "trace" of the producer of
	// what is written with the context. A producer that is no JSON object, or has a "trace" of its own, is the field
	// "by" beside it.
	Trace func(ctx context.Context) string `json:"-" yaml:"-" toml:"-" mapstructure:"-"`

	// WriteTimeout is the longest time that a write takes whose context does not end before; 0: no limit, so
	// that it waits for as long as a server is away. It is also how long rules go on after their caller's
	// context has ended; 0: 10 s. In a configuration it is text such as "30s". One below a millisecond, which is
	// what a number without a unit may become, is a *backend.InvalidError.
	WriteTimeout time.Duration `json:"write_timeout,omitempty" yaml:"write_timeout,omitempty" toml:"write_timeout,omitempty" mapstructure:"write_timeout"`

	// MaxSkew is how far the transaction time of an imported fact may be ahead of Now; 0: one minute. A later one is a
	// *backend.InvalidError, since no later fact of any store is dated before it. In a configuration it is text, as
	// WriteTimeout is.
	MaxSkew time.Duration `json:"max_skew,omitempty" yaml:"max_skew,omitempty" toml:"max_skew,omitempty" mapstructure:"max_skew"`

	// DerivationFailed, if not nil, is called for rules that failed, see [Records.Derive]. It may be called
	// concurrently.
	DerivationFailed func(err error) `json:"-" yaml:"-" toml:"-" mapstructure:"-"`

	// NewID makes the IDs of facts; nil: UUIDs of version 7. Now returns the current time, for retention
	// by age, MaxSkew, and reads as of a time, see [store.Moment]; nil: time.Now. Both may be called concurrently.
	NewID func() (string, error) `json:"-" yaml:"-" toml:"-" mapstructure:"-"`
	Now   func() time.Time       `json:"-" yaml:"-" toml:"-" mapstructure:"-"`

	// Logger gets what an operator should know. Nil: errors go to standard error, and nothing else is logged;
	// zap.NewNop() logs nothing.
	Logger *zap.Logger `json:"-" yaml:"-" toml:"-" mapstructure:"-"`
}

func (o Options) config() backend.Config {
	return backend.Config{
		Path: o.Path, Address: o.Address, Transport: o.Transport, TLS: o.TLS, Token: o.Token, Settings: o.Settings, Logger: o.Logger,
	}
}
