// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Options configure a log. The zero Options stand for the log "default" in the database that PGHOST and the other variables
// of libpq name.
type Options struct {
	// Address is a connection string in either form of libpq. Missing parts come from PGHOST and the other variables, and
	// the password from ~/.pgpass. It may have pool_max_conns and the other settings of package pgxpool. Of several hosts
	// the log uses the primary, unless target_session_attrs says otherwise.
	Address string

	// Pool is a pool of the app that the log uses instead of Address. The log does not close it. It uses one connection to
	// write, one for each page that is being read, and one more while it is followed. nil: the log has its own pool.
	//
	// If an operator cancels a commit's wait for a synchronous standby, the answer has a warning. The log sees this warning
	// only with its own pool.
	Pool *pgxpool.Pool

	// Log is the log's name, 1 to 256 bytes of UTF-8 without U+0000. Open creates a missing log. "": "default".
	Log string

	// MaxFrame limits the bytes of the body of a fact's or batch's frame of package wire. 0 stands for
	// wire.DefaultMaxFrame, and more than wire.MaxMaxFrame for wire.MaxMaxFrame.
	MaxFrame int

	Now    func() time.Time // returns transaction times; may be called concurrently; nil: time.Now
	Logger *zap.Logger      // for messages that an operator must see; nil: nothing is logged
}

const defaultLog = "default"

func (o Options) withDefaults() (Options, error) {
	o.Log = cmp.Or(o.Log, defaultLog)
	if err := checkName("log", o.Log); err != nil {
		return o, err
	}
	if o.MaxFrame <= 0 {
		o.MaxFrame = wire.DefaultMaxFrame
	}
	o.MaxFrame = min(o.MaxFrame, wire.MaxMaxFrame)
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Logger = cmp.Or(o.Logger, zap.NewNop())
	return o, nil
}

// checkName returns a *backend.InvalidError if the name of a log or a position can't be kept as text.
func checkName(field, name string) error {
	if err := backend.CheckStore(name); err != nil || strings.ContainsRune(name, 0) {
		return &backend.InvalidError{Field: field, Reason: fmt.Sprintf("%.300q is not 1 to %d bytes of UTF-8 without U+0000", name, backend.MaxStoreLen)}
	}
	return nil
}

// The name for backend.Open is "postgres". It uses the Config's Address and the settings "log", a name, and "max_frame", a
// number of bytes.
func init() {
	backend.Register("postgres", func(ctx context.Context, c backend.Config) (backend.Backend, error) {
		if err := c.Only("postgres", "address", "log", "max_frame"); err != nil {
			return nil, err
		}
		limit, err := c.WholeNumber("max_frame")
		if err != nil {
			return nil, err
		}
		o := Options{Address: c.Address, MaxFrame: int(min(limit, wire.MaxMaxFrame)), Logger: c.Logger}
		if name, ok := c.Settings["log"]; ok {
			if o.Log, ok = name.(string); !ok || o.Log == "" {
				return nil, &backend.InvalidError{Field: "log", Reason: fmt.Sprintf("%v is not the name of a log", name)}
			}
		}
		return Open(ctx, o)
	})
}
