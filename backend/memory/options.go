// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Options configure a Log. The zero Options are valid.
type Options struct {
	// MaxFrame limits the bytes of the body of a fact's or batch's frame. 0 stands for wire.DefaultMaxFrame, and more than
	// wire.MaxMaxFrame for wire.MaxMaxFrame.
	MaxFrame int

	// Now returns the transaction times; nil: time.Now. It may be called concurrently.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.MaxFrame <= 0 {
		o.MaxFrame = wire.DefaultMaxFrame
	}
	o.MaxFrame = min(o.MaxFrame, wire.MaxMaxFrame)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// The name for backend.Open is "memory". It uses the setting "max_frame" of the Config, a number of bytes.
func init() {
	backend.Register("memory", func(_ context.Context, c backend.Config) (backend.Backend, error) {
		if err := c.Only("memory", "max_frame"); err != nil {
			return nil, err
		}
		limit, err := c.WholeNumber("max_frame")
		if err != nil {
			return nil, err
		}
		return New(Options{MaxFrame: int(min(limit, wire.MaxMaxFrame))}), nil
	})
}
