// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// A Source finds the frames for one loop over a log, see [Loop]. One goroutine uses it.
type Source interface {
	// Begin returns the log's identity, ancestors, last seq and horizons, with which Loop checks the cursor. Its error says
	// why the log can't be read.
	Begin() (backend.Stats, error)

	// Take returns about a page of frames after a seq, which is the Through of the previous frames. At the log's end it
	// returns no frames. In either case Through tells how far the log was read. Horizons has the horizons of all stores at
	// that time, in a map that must not change any more; nil: as before.
	Take(ctx context.Context, after uint64) (Frames, error)

	// Changed returns a channel that is closed once the log has more, or has ended.
	Changed() <-chan struct{}

	// Close ends the loop.
	Close()
}

// Loop yields the part r of a log that is kept in frames and, if follow is true, the facts that are written later. It keeps
// the rules of [backend.Page]. Each loop has a source of its own from open. Errors begin with name.
func Loop(ctx context.Context, name string, r backend.Range, follow bool, open func() Source) iter.Seq2[Frames, error] {
	r.Stores = slices.Clone(r.Stores)
	return func(yield func(Frames, error) bool) {
		src := open()
		defer src.Close()
		rd := reading{source: src, left: r}
		err := rd.begin(ctx, follow)
		for first := true; err == nil; first = false {
			var changed <-chan struct{}
			if follow {
				changed = src.Changed()
			}
			before := rd.left.After
			var page Frames
			var end bool
			if page, end, err = rd.next(ctx); err != nil {
				break
			}
			if first || page.Facts > 0 || page.Through != before {
				page.Horizons = rd.news()
				if !yield(page, nil) {
					return
				}
			}
			if rd.done() || end && !follow {
				return
			}
			if end {
				select {
				case <-changed:
				case <-ctx.Done():
				}
			}
		}
		yield(Frames{}, fmt.Errorf("%s: read after seq %d: %w", name, rd.left.After.Seq, err))
	}
}

// After maxScan bytes that were searched for facts of some stores, a page is yielded, perhaps an empty one.
const maxScan = 4 << 20

// A reading is a place in a log that is kept in frames.
type reading struct {
	source Source
	left   backend.Range // the part that is still to be read

	horizons, told map[string]backend.Horizon // the log's horizons, and the horizons that pages have told; horizons is nil if nothing changed since
}

// begin checks the cursor at which the reading begins. Without follow it ends where the log ends now.
func (r *reading) begin(ctx context.Context, follow bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := r.source.Begin()
	if err != nil {
		return err
	}
	seq, err := s.Resume(r.left.After)
	if err != nil {
		return err
	}
	r.left.After = backend.Cursor{Log: s.Log, Seq: seq}
	r.horizons = s.Horizons
	if !follow && (r.left.Through == 0 || r.left.Through > s.LastSeq) {
		r.left.Through = s.LastSeq
	}
	return nil
}

// news returns the horizons of the next page.
func (r *reading) news() map[string]backend.Horizon {
	if r.horizons == nil {
		return nil
	}
	news := r.left.News(r.horizons, r.told)
	r.told, r.horizons = r.horizons, nil
	return news
}

// done reports whether all of the range was read.
func (r *reading) done() bool { return r.left.Through != 0 && r.left.After.Seq >= r.left.Through }

// next returns the next page, and reports whether the log holds no more. Frames that are in the range as a whole
// share the source's memory.
func (r *reading) next(ctx context.Context) (p Frames, end bool, err error) {
	left := &r.left
	for scanned := 0; !r.done() && len(p.Bytes) < backend.PageSize && scanned < maxScan; {
		got, err := r.source.Take(ctx, left.After.Seq)
		if err != nil && p.Facts == 0 {
			return Frames{}, false, err
		}
		if err != nil {
			break // the next call finds it again
		}
		if got.Horizons != nil {
			r.horizons, got.Horizons = got.Horizons, nil
		}
		last := got.Through.Seq
		scanned += len(got.Bytes)
		switch end = got.Facts == 0; {
		case end:
		case left.Stores == nil && got.first() > left.After.Seq && (left.Through == 0 || last <= left.Through):
			p = got
		case p.Facts == 0 && len(got.Bytes) >= backend.LargePage && got.within(left):
			p = got // without a copy
		default:
			var facts int
			if p.Bytes, facts, _, err = AppendSelected(p.Bytes, got.Bytes, left); err != nil {
				return Frames{}, false, err
			}
			p.Facts += facts
		}
		if left.Through != 0 {
			last = min(last, left.Through)
		}
		left.After.Seq = max(left.After.Seq, last)
		if end || left.Stores == nil {
			break
		}
	}
	p.Through = left.After
	return p, end, nil
}

// within reports whether all facts are in a part of the log.
func (f *Frames) within(r *backend.Range) bool {
	for rest := f.Bytes; len(rest) > 0; {
		var body []byte
		body, rest, _ = CutFrame(rest)
		err := eachBody(body, func(fact []byte) error {
			seq, store, err := nameOf(fact)
			if err == nil && !(seq > r.After.Seq && (r.Through == 0 || seq <= r.Through) && r.Has(store)) {
				err = errOutside
			}
			return err
		})
		if err != nil {
			return false // AppendSelected returns the error
		}
	}
	return true
}

var errOutside = errors.New("wire: a fact is outside of the range")

// first returns the seq of the first fact.
func (f *Frames) first() uint64 {
	body, _, _ := CutFrame(f.Bytes)
	first, _, _ := Seqs(body)
	return first
}
