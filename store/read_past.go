package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// ErrDropped is reported where an engine does not hold facts that a question is about, and the log may:
// they were dropped from memory (Options.KeepVersions), or are in a store that is not in memory
// (Options.Stores). [Engine.Past] reads them.
var ErrDropped = errors.New("store: the engine does not hold all facts that this asks for: read them through Past")

// errPast is why an engine of the past does not go on.
var errPast = errors.New("store: an engine of the past does not follow the log")

// partial reports whether the log may have facts that e does not hold.
func (e *Engine) partial() bool { return e.opts.KeepVersions > 0 || e.stores.Load() != nil }

// Past returns an engine that has all facts of a store that e shows, whatever Options.KeepVersions and
// Options.Stores say; with keys only theirs, and with the store "" those of all stores. It reads them
// from the log once, for many questions about the past. It takes no writes, shows nothing new, and needs
// no Close. It upcasts as e does; scopes and the like are its own.
func (e *Engine) Past(ctx context.Context, store string, keys ...string) (*Engine, error) {
	if store == "" {
		return e.past(ctx, e.Head(), nil, keys)
	}
	return e.past(ctx, e.Head(), []string{store}, keys)
}

// past returns an engine of the past with the facts of some stores, nil for all, through a seq.
func (e *Engine) past(ctx context.Context, through uint64, stores, keys []string) (*Engine, error) {
	opts := e.opts
	opts.KeepVersions, opts.ReadOnly, opts.Stores = 0, true, stores
	p := newEngine(e.log, opts)
	p.keys = append(p.keys, keys...)
	for _, s := range e.spaces.Range {
		if s := s.(*namespace); p.Loaded(s.name) {
			p.space(s.name).upcasts.Store(s.upcasts.Load())
		}
	}
	if err := p.readThrough(ctx, through); err != nil {
		return nil, fmt.Errorf("read the past from the log: %w", err)
	}
	p.stop = func() {}
	close(p.done)
	p.fail(errPast)
	return p, nil
}

// readThrough applies what the log holds of the engine's stores through a seq.
func (e *Engine) readThrough(ctx context.Context, through uint64) error {
	if through == 0 {
		return nil
	}
	return e.read(ctx, backend.Range{Through: through, Stores: e.opts.Stores}, func(int) {})
}
