package store

import (
	"context"
	"errors"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// ErrDropped is reported where an engine does not hold facts that are asked for, and the log may: they
// were dropped (Options.KeepVersions), or are in a store that it was not opened for (Options.Stores).
// [Engine.Past] reads them.
var ErrDropped = errors.New("store: the engine does not hold all facts that this asks for: read them through Past")

// partial reports whether the log may have facts that e does not hold.
func (e *Engine) partial() bool { return e.opts.KeepVersions > 0 || e.stores.Load() != nil }

// errPast is why an engine of the past does not go on.
var errPast = errors.New("store: an engine of the past does not follow the log")

// Past returns an engine that has all facts of a store that the log holds now, or with keys only
// theirs, or with the store "" those of all, whatever Options.KeepVersions and Options.Stores say: it
// reads them from the backend, and keeps them for as long as it is used. It takes no writes and shows
// nothing new. It upcasts as e does; other than that, scopes, indexes and the like are its own, see
// [Scope.Past]. It needs no Close.
func (e *Engine) Past(ctx context.Context, store string, keys ...string) (*Engine, error) {
	if store == "" {
		return e.past(ctx, nil, keys)
	}
	return e.past(ctx, []string{store}, keys)
}

func (e *Engine) past(ctx context.Context, stores, keys []string) (*Engine, error) {
	opts := e.opts
	opts.KeepVersions, opts.Stores, opts.ReadOnly, opts.Progress = 0, stores, true, nil
	p := newEngine(e.log, opts)
	p.keys, p.stop = slices.Clone(keys), func() {}
	close(p.done)
	for name, s := range e.spaces.Range {
		if p.Loaded(name.(string)) {
			p.space(name.(string)).upcasts.Store(s.(*namespace).upcasts.Load())
		}
	}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(errors.New("store: read the past"), err)
	}
	p.fail(errPast)
	return p, nil
}

// minSurplus is how many facts beyond those to keep a namespace has before it is worth rebuilding.
const minSurplus = 1024

// trim drops facts of a store beyond the latest few of each key, now and then. The caller holds mu.
func (e *Engine) trim(s *namespace, f *backend.Fact) {
	keep := uint32(e.opts.KeepVersions)
	latest, _ := s.latest(f.Key)
	if latest.depth() <= keep {
		return
	}
	if s.surplus++; s.surplus < max(minSurplus, int(s.count.Load())/2) {
		return
	}
	floor := s.floor
	kept := s.without(func(r Record) bool {
		latest, _ := s.key(r.key())
		newer := latest.depth() - r.depth()
		if newer == keep-1 && r.depth() > 1 {
			floor = max(floor, r.Seq())
		}
		return newer >= keep
	}, true)
	kept.floor = floor
	e.spaces.Store(s.name, kept)
}
