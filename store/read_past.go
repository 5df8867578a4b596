// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// ErrDropped is reported if an engine does not hold facts that the log may have: they were dropped from memory
// (Options.KeepVersions), or their store is not in memory (Options.Stores), or this process may not read all stores.
// [Engine.Past] reads the facts that the process may read.
var ErrDropped = errors.New("store: the engine does not hold all facts that this asks for: read them through Past, or with a token that may read all stores")

// errPast is the Err of an engine of the past.
var errPast = errors.New("store: an engine of the past does not follow the log")

// partial reports whether the log may have facts that e does not hold.
func (e *Engine) partial() bool {
	return e.opts.KeepVersions > 0 || e.stores.Load() != nil || e.readable().stores != nil
}

// Past returns an engine with all facts of a store through e's head, whatever Options.KeepVersions and Options.Stores
// are: of the given keys, or of all keys if none are given. The store "" is all stores. It reads them from the log
// once, for many reads of the past. The returned engine takes no writes, shows nothing new, and needs no Close. A read
// that needs pruned facts returns backend.ErrCompacted. The returned engine has e's upcasters; declare scopes, indexes
// and relations on it as needed.
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
	p.ahead.Store(e.ahead.Load())
	for s := range e.spaces.each() {
		if p.Loaded(s.name) {
			p.space(s.name).upcasts.Store(s.upcasts.Load())
		}
	}
	if err := p.readThrough(ctx, through); err != nil {
		return nil, fmt.Errorf("read the past from the log: %w", err)
	}
	p.stop()
	close(p.done)
	p.fail(errPast)
	return p, nil
}

// readThrough applies what the log holds of the engine's stores through a seq.
func (e *Engine) readThrough(ctx context.Context, through uint64) error {
	if through == 0 {
		return nil
	}
	stores := e.opts.Stores
	if access := e.log.Features().Stores; access != nil && stores != nil { // others are empty for this process
		stores = slices.DeleteFunc(slices.Clone(stores), func(s string) bool { return !slices.Contains(access, s) })
	}
	return e.read(ctx, backend.Range{Through: through, Stores: stores}, func(int) {})
}
