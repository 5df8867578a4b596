package memory

import (
	"context"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Options says how a Log works. The zero Options is good.
type Options struct {
	// MaxFrame is how long the frame of a fact or a batch may be, without its 8 bytes of length and
	// CRC; 0: wire.DefaultMaxFrame, and never more than wire.MaxMaxFrame.
	MaxFrame int

	// Now tells the transaction times; nil: time.Now. It may be called concurrently.
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

// The backend is known to backend.Open as "memory". It uses no field of the Config.
func init() {
	backend.Register("memory", func(_ context.Context, c backend.Config) (backend.Backend, error) {
		if err := c.Only("memory"); err != nil {
			return nil, err
		}
		return New(Options{}), nil
	})
}
