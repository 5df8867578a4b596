package main

import (
	"context"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// openEngine opens an engine over some stores of a log, and shows how far that has come.
func (a *app) openEngine(ctx context.Context, log backend.Log, stores ...string) (*store.Engine, error) {
	bar := a.progress(-1, "reading", false)
	defer bar.Finish()
	return store.Open(ctx, log, store.Options{Stores: stores, Progress: func(p store.OpenProgress) { _ = bar.Set64(int64(p.Facts)) }})
}

// look opens an engine over the facts of one store that has reports true for, so that it need not hold the rest, nor a
// server send other stores.
func (a *app) look(ctx context.Context, name string, has func(f *backend.Fact) bool, with func(e *store.Engine) error) error {
	return a.withLog(ctx, func(log backend.Log) error {
		e, err := a.openEngine(ctx, backend.Intercept(log, backend.Hooks{
			Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
				r.Stores = []string{name}
				return func(yield func(backend.Page, error) bool) {
					for p, err := range next(ctx, r) {
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
		}), name)
		if err != nil {
			return err
		}
		defer e.Close()
		return with(e)
	})
}
