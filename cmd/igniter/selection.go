package main

import (
	"context"
	"iter"

	"github.com/schollz/progressbar/v3"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A selection is the part of a store that a command asks for, so that an engine over it need not hold the rest, nor a
// server send other stores.
type selection struct {
	backend.Backend
	store string
	has   func(f *backend.Fact) bool
	bar   *progressbar.ProgressBar
}

// Replay yields the facts that are selected.
func (s selection) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for f, err := range backend.ReplayStores(ctx, s.Backend, after, s.store) {
			if err != nil {
				yield(backend.Fact{}, err)
				return
			}
			_ = s.bar.Add(1) // a bar that can't be shown stops nothing
			if s.has(&f) && !yield(f, nil) {
				return
			}
		}
	}
}

// look gives an engine over a part of a store to a function.
func (a *app) look(ctx context.Context, name string, has func(f *backend.Fact) bool, with func(e *store.Engine) error) error {
	return a.withLog(ctx, func(b backend.Backend) error {
		bar := a.progress(-1, "reading", false)
		e, err := store.Open(ctx, selection{b, name, has, bar}, store.Options{})
		_ = bar.Finish()
		if err != nil {
			return err
		}
		defer e.Close()
		return with(e)
	})
}
