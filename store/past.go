package store

import (
	"context"
	"errors"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// errPast is why an engine of the past does not go on.
var errPast = errors.New("store: an engine of the past does not follow the log")

// Past returns an engine that has all facts of a store that the log holds now, or with keys only
// theirs, whatever Options.KeepVersions says: it reads them from the backend, for as long as it is
// used. It takes no writes and shows nothing new. It upcasts as e does; other than that, scopes,
// indexes and the like are its own. It needs no Close.
func (e *Engine) Past(ctx context.Context, store string, keys ...string) (*Engine, error) {
	opts := e.opts
	opts.KeepVersions, opts.Stores, opts.ReadOnly, opts.Progress = 0, []string{store}, true, nil
	p := newEngine(e.log, opts)
	p.keys, p.stop = slices.Clone(keys), func() {}
	close(p.done)
	if s := e.namespace(store); s != nil {
		p.space(store).upcasts.Store(s.upcasts.Load())
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
	e.spaces.Store(s.name, s.without(func(r Record) bool {
		latest, _ := s.key(r.key())
		return latest.depth()-r.depth() >= keep
	}, true))
}
