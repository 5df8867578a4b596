package main

import (
	"context"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A selection is the part of a log that a command asks for, so that an engine over it need not hold the rest.
type selection struct {
	backend.Backend
	has func(f *backend.Fact) bool
}

// Replay yields the facts that are selected.
func (s selection) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for f, err := range s.Backend.Replay(ctx, after) {
			if err != nil {
				yield(backend.Fact{}, err)
				return
			}
			if s.has(&f) && !yield(f, nil) {
				return
			}
		}
	}
}

// look gives an engine over a part of the log to a function.
func (a *app) look(ctx context.Context, has func(f *backend.Fact) bool, with func(e *store.Engine) error) error {
	return a.withLog(ctx, func(b backend.Backend) error {
		e, err := store.Open(ctx, selection{b, has}, store.Options{})
		if err != nil {
			return err
		}
		defer e.Close()
		return with(e)
	})
}
