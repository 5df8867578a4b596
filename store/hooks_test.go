// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"iter"

	"github.com/igniter-store/igniter/backend"
)

// A reading is a Read hook of a log.
type reading = func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error]

// reads returns l with a hook before its loops.
func reads(l backend.Log, read reading) backend.Log {
	return backend.Intercept(l, backend.Hooks{Read: read})
}

// A followed log can tell Follow from Replay, which a hook of Intercept can't.
type followed struct {
	backend.Log
	follow func(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error]
}

func (f followed) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return f.follow(ctx, r)
}

// eachPage yields each page after change changed it; an error of change ends the loop.
func eachPage(pages iter.Seq2[backend.Page, error], change func(p *backend.Page) error) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for p, err := range pages {
			if err == nil {
				err = change(&p)
			}
			if err != nil {
				yield(backend.Page{}, err)
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// small cuts pages into pages of one batch each, for logs whose batches are single facts.
func small(pages iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for p, err := range pages {
			for err == nil && len(p.Facts) > 1 {
				first := backend.Page{Facts: p.Facts[:1:1], Through: backend.Cursor{Log: p.Through.Log, Seq: p.Facts[0].Seq}, Horizons: p.Horizons}
				p.Facts, p.Horizons = p.Facts[1:], nil
				if !yield(first, nil) {
					return
				}
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// writes returns l with a hook before its writes.
func writes(l backend.Log, write func(ctx context.Context, batches []backend.Batch, next func(context.Context, ...backend.Batch) []backend.Written) []backend.Written) backend.Log {
	return backend.Intercept(l, backend.Hooks{Write: write})
}
