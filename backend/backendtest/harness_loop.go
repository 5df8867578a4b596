// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"cmp"
	"context"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
)

// A loop is a Replay or Follow, with its arguments.
type loop struct {
	pages   iter.Seq2[backend.Page, error]
	r       backend.Range
	follows bool
}

func replayOf(ctx context.Context, b backend.Log, r backend.Range) loop {
	return loop{b.Replay(ctx, r), r, false}
}

func followOf(ctx context.Context, b backend.Log, r backend.Range) loop {
	return loop{b.Follow(ctx, r), r, true}
}

// from returns the range after the seq after, of the given stores or, without any, of all.
func from(after uint64, stores ...string) backend.Range {
	return backend.Range{After: backend.Cursor{Seq: after}, Stores: stores}
}

func rangeText(r backend.Range) string {
	of := "all stores"
	if r.Stores != nil {
		of = fmt.Sprintf("stores %q", r.Stores)
	}
	return fmt.Sprintf("after %s, through %d, of %s", r.After, r.Through, of)
}

// walkPages runs a loop with the given body, which breaks by returning false. It returns the error that ended the loop, or
// an error if the loop broke a rule that holds for every loop.
func walkPages(l loop, body func(backend.Page) bool) error {
	var end, broken error
	var last backend.Cursor
	told := map[string]backend.Horizon{}
	pages, over := 0, ""
	l.pages(func(p backend.Page, err error) bool {
		switch {
		case over != "":
			broken = fmt.Errorf("the loop went on after %s", over)
		case err != nil:
			over, end = "an error", err
			if p.Facts != nil || p.Through != (backend.Cursor{}) || p.Horizons != nil {
				broken = fmt.Errorf("the error %q came with a page of %d facts through %s with horizons %v, which is not zero", err, len(p.Facts), p.Through, p.Horizons)
			}
			return true // a loop that ends here ignores it
		default:
			if broken = cmp.Or(checkPage(l, p, last, pages), checkHorizons(l, p, told)); broken != nil {
				over = "a page that breaks a rule"
				return false
			}
			last = p.Through
			pages++
			if body(p) {
				return true
			}
			over = "a break"
		}
		return false
	})
	switch {
	case broken != nil:
		return fmt.Errorf("a loop %s: %w", rangeText(l.r), broken)
	case over != "":
		return end
	case pages == 0:
		return fmt.Errorf("a loop %s ended without an error and without a page", rangeText(l.r))
	case l.follows && (l.r.Through == 0 || last.Seq < l.r.Through):
		return fmt.Errorf("a Follow %s ended without an error after a page through %s", rangeText(l.r), last)
	}
	return nil
}

// checkPage returns an error if a page of a loop breaks a rule. last is the Through of the previous page.
func checkPage(l loop, p backend.Page, last backend.Cursor, pages int) error {
	floor, most := max(l.r.After.Seq, last.Seq), max(l.r.After.Seq, l.r.Through)
	seq := floor
	for i := range p.Facts {
		f := &p.Facts[i]
		switch {
		case f.Seq <= floor:
			return fmt.Errorf("the loop had read the log through %d, and then yields fact %q of seq %d", floor, f.ID, f.Seq)
		case f.Seq <= seq:
			return fmt.Errorf("fact %q of seq %d comes after seq %d", f.ID, f.Seq, seq)
		case l.r.Through != 0 && f.Seq > l.r.Through:
			return fmt.Errorf("fact %q has seq %d", f.ID, f.Seq)
		case !l.r.Has(f.Store):
			return fmt.Errorf("fact %q is of store %q", f.ID, f.Store)
		}
		seq = f.Seq
	}
	switch {
	case p.Through.Seq < seq && len(p.Facts) > 0:
		return fmt.Errorf("a page with a fact of seq %d says that the log was read through %s", seq, p.Through)
	case p.Through.Seq < floor:
		return fmt.Errorf("a page says that the log was read through %s; it was read through %d before", p.Through, floor)
	case l.r.Through != 0 && p.Through.Seq > most:
		return fmt.Errorf("a page says that the log was read through %s", p.Through)
	case pages > 0 && p.Through.Log != last.Log:
		return fmt.Errorf("a page is of log %q, and the one before it of log %q", p.Through.Log, last.Log)
	case l.follows && pages > 0 && len(p.Facts) == 0 && p.Through == last:
		return fmt.Errorf("an empty page came although Through did not move from %s", last)
	}
	return nil
}

// checkHorizons returns an error if the horizons of p break a rule. It adds them to told.
func checkHorizons(l loop, p backend.Page, told map[string]backend.Horizon) error {
	for store, h := range p.Horizons {
		before := told[store]
		switch {
		case l.r.Stores != nil && !l.r.Has(store) && (store != backend.AllStores || len(l.r.Stores) == 0):
			return fmt.Errorf("a page tells the horizon of store %q", store)
		case h.Seq == before.Seq && h.Time.Equal(before.Time):
			return fmt.Errorf("a page tells the horizon %v of store %q, which the loop was told", h, store)
		case h != before.Later(h):
			return fmt.Errorf("a page tells the horizon %v of store %q after a later one, %v", h, store, before)
		}
		told[store] = h
	}
	return nil
}

// reached returns an error if a Replay of r ended too early. acked was acknowledged before the loop began.
func reached(pages []backend.Page, r backend.Range, acked uint64) error {
	if r.Through != 0 {
		acked = min(acked, r.Through)
	}
	if through := pages[len(pages)-1].Through; through.Seq < acked {
		return fmt.Errorf("the last page says that the log was read through %s; seq %d was acknowledged before the loop began", through, acked)
	}
	return nil
}

// walk runs a loop with a body for each fact.
func walk(l loop, body func(backend.Fact) bool) error {
	return walkPages(l, func(p backend.Page) bool {
		for _, f := range p.Facts {
			if !body(f) {
				return false
			}
		}
		return true
	})
}

func collectPages(l loop) ([]backend.Page, error) {
	var pages []backend.Page
	err := walkPages(l, func(p backend.Page) bool {
		pages = append(pages, p)
		return true
	})
	return pages, err
}

func collect(l loop) ([]backend.Fact, error) {
	var facts []backend.Fact
	err := walk(l, func(f backend.Fact) bool {
		facts = append(facts, f)
		return true
	})
	return facts, err
}

// take returns the first n facts of a loop, and leaves the loop. Its error tells the number of facts before it.
func take(l loop, n int) ([]backend.Fact, error) {
	var facts []backend.Fact
	err := walk(l, func(f backend.Fact) bool {
		facts = append(facts, f)
		return len(facts) < n
	})
	if err != nil {
		err = fmt.Errorf("after %d facts of %d: %w", len(facts), n, err)
	} else if len(facts) < n {
		err = fmt.Errorf("the loop ended without an error after %d facts of %d", len(facts), n)
	}
	return facts, err
}

// factsOf returns the facts of pages.
func factsOf(pages []backend.Page) []backend.Fact {
	var facts []backend.Fact
	for _, p := range pages {
		facts = append(facts, p.Facts...)
	}
	return facts
}
