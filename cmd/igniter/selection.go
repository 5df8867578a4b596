package main

import (
	"context"
	"iter"

	"github.com/schollz/progressbar/v3"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// selected returns a log with the facts of one store that has is true of, so that an engine over it need not hold
// the rest, nor a server send other stores. bar counts the facts that are read.
func selected(log backend.Log, name string, has func(f *backend.Fact) bool, bar *progressbar.ProgressBar) backend.Log {
	return backend.Intercept(log, backend.Hooks{
		Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			r.Stores = []string{name}
			return func(yield func(backend.Page, error) bool) {
				for p, err := range next(ctx, r) {
					_ = bar.Add(len(p.Facts)) // a bar that can't be shown stops nothing
					kept := p.Facts[:0]
					for _, f := range p.Facts {
						if has(&f) {
							kept = append(kept, f)
						}
					}
					p.Facts = kept
					if !yield(p, err) {
						return
					}
				}
			}
		},
	})
}

// look opens an engine over a part of a store for a function.
func (a *app) look(ctx context.Context, name string, has func(f *backend.Fact) bool, with func(e *store.Engine) error) error {
	return a.withLog(ctx, func(log backend.Log) error {
		bar := a.progress(-1, "reading", false)
		e, err := store.Open(ctx, selected(log, name, has, bar), store.Options{})
		_ = bar.Finish()
		if err != nil {
			return err
		}
		defer e.Close()
		return with(e)
	})
}
