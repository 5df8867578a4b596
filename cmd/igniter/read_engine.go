// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// openEngine opens an engine over some stores of a log, and shows a progress bar.
func (a *app) openEngine(ctx context.Context, log backend.Log, stores ...string) (*store.Engine, error) {
	bar := a.progress(-1, "reading", false)
	defer bar.Finish()
	return store.Open(ctx, log, store.Options{Stores: stores, Progress: func(p store.OpenProgress) { _ = bar.Set64(int64(p.Facts)) }})
}

// look opens an engine over the facts of one store for which has returns true, so that it holds no others and a server
// sends no other stores. It calls with with the engine.
func (a *app) look(ctx context.Context, name string, at *moment, has func(f *backend.Fact) bool, with func(e *store.Engine) error) error {
	return a.withLog(ctx, func(log backend.Log) error {
		stats, err := log.Stats(ctx)
		if err != nil {
			return err
		}
		a.sayAhead(at, &stats)
		e, err := a.openEngine(ctx, backend.Intercept(log, backend.Hooks{
			Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
				r.Stores = []string{name}
				return func(yield func(backend.Page, error) bool) {
					for p, err := range next(ctx, r) {
						p.Facts = slices.DeleteFunc(p.Facts, func(f backend.Fact) bool { return !has(&f) })
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

// printRecords prints the records for which has returns true, at most limit of them (0: all), and returns how many it
// printed.
func (a *app) printRecords(records iter.Seq2[store.Record, error], has func(r store.Record) bool, limit uint) (n uint, err error) {
	l := a.newListing(factColumns...)
	l.spare = []int{6, 3} // the ID, since the seq identifies the fact, too; then the store, which the command names
	for r, err := range records {
		if err != nil {
			return n, err
		}
		if !has(r) {
			continue
		}
		f := r.Fact()
		if err := l.addFact(&f); err != nil {
			return n, err
		}
		if n++; n == limit {
			break
		}
	}
	return n, l.end()
}
