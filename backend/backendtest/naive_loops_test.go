// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math"
	"runtime"
	"slices"
	"sort"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// next returns the first batch after seq after. If none exists, it returns the seq through which the log was read and a
// channel to wait for.
func (n *naive) next(after uint64) (batch []backend.Fact, end uint64, changed chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	facts := n.facts
	end = n.last
	if n.bug == "acknowledges before a fact is visible" {
		facts = facts[:min(n.visible, len(facts))]
		end = 0
	}
	if end == 0 || n.bug == "Through stays before a pruned tail" {
		end = 0
		if len(facts) > 0 {
			end = facts[len(facts)-1].Seq
		}
	}
	if n.bug == "Through is one too far" {
		end++
	}
	i := sort.Search(len(facts), func(i int) bool { return facts[i].Seq > after })
	if n.bug == "swaps two" { // its log is not sorted
		if i = slices.IndexFunc(facts, func(f backend.Fact) bool { return f.Seq > after }); i < 0 {
			i = len(facts)
		}
	}
	if i == len(facts) {
		changed = n.changed
		if n.bug == "loses a wake-up" {
			n.yields()
			changed = n.changed
		}
		return nil, end, changed
	}
	j := i + 1
	for number := n.batches[facts[i].Seq]; number != 0 && j < len(facts) && n.batches[facts[j].Seq] == number; {
		j++
	}
	if n.bug == "a loop hands out its memory" {
		return facts[i:j:j], end, n.changed
	}
	return clones(facts[i:j]), end, n.changed
}

func (n *naive) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return n.pages(ctx, "Replay", r)
}

func (n *naive) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return n.pages(ctx, "Follow", r)
}

// pages yields the pages of a method, with the bugs that are named after the method.
func (n *naive) pages(ctx context.Context, method string, r backend.Range) iter.Seq2[backend.Page, error] {
	switch n.bug {
	case method + " ignores After":
		r.After = backend.Cursor{}
	case method + " is off by one":
		r.After.Seq = max(r.After.Seq, 1) - 1
	case method + " ignores stores":
		r.Stores = nil
	case "finds stores in any case":
		r.Stores = n.inAnyCase(r.Stores)
	case method + " ignores Through":
		r.Through = 0
	}
	used := false
	return func(yield func(backend.Page, error) bool) {
		if n.bug == method+" works once" && used {
			return
		}
		used = true
		n.loop(ctx, r, method == "Follow", n.spoil(method, yield))
	}
}

// spoil returns the loop body yield, wrapped by the bugs that change pages.
func (n *naive) spoil(method string, yield func(backend.Page, error) bool) func(backend.Page, error) bool {
	switch n.bug {
	case method + " holds a lock":
		return func(p backend.Page, err error) bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return yield(p, err)
		}
	case method + " goes on after a break":
		return func(p backend.Page, err error) bool {
			yield(p, err)
			return true
		}
	case "an error comes with a page":
		return func(p backend.Page, err error) bool {
			if err != nil {
				p.Facts = []backend.Fact{{ID: "?"}}
			}
			return yield(p, err)
		}
	case "a loop goes on after an error":
		return func(p backend.Page, err error) bool {
			return yield(p, err) && (err == nil || yield(p, err))
		}
	case "a page's slice is reused":
		var buffer []backend.Fact
		return func(p backend.Page, err error) bool {
			buffer = append(buffer[:0], p.Facts...)
			p.Facts = buffer
			return yield(p, err)
		}
	case "pages tell horizons late":
		first, late := true, map[string]backend.Horizon(nil)
		return func(p backend.Page, err error) bool {
			if !first && err == nil {
				p.Horizons, late = late, p.Horizons
			}
			first = false
			return yield(p, err)
		}
	case "pages tell no horizons":
		return func(p backend.Page, err error) bool {
			p.Horizons = nil
			return yield(p, err)
		}
	case "pages tell all horizons":
		return func(p backend.Page, err error) bool {
			if err == nil {
				n.mu.Lock()
				p.Horizons = maps.Clone(n.horizons)
				n.mu.Unlock()
			}
			return yield(p, err)
		}
	case "pages tell the seq of their last fact":
		last := uint64(0)
		return func(p backend.Page, err error) bool {
			if len(p.Facts) > 0 {
				last = p.Facts[len(p.Facts)-1].Seq
			}
			p.Through.Seq = last
			return yield(p, err)
		}
	case "a " + method + " reads everything into memory":
		var pages []backend.Page
		return func(p backend.Page, err error) bool {
			if p.Through.Seq < n.end() && err == nil {
				pages = append(pages, p)
				return true
			}
			for _, p := range pages {
				if !yield(p, nil) {
					return false
				}
			}
			ok := yield(p, err)
			runtime.KeepAlive(pages)
			return ok
		}
	case "a page has everything":
		var facts []backend.Fact
		return func(p backend.Page, err error) bool {
			facts = append(facts, p.Facts...)
			if p.Facts = facts; p.Through.Seq < n.end() && err == nil {
				return true
			}
			return yield(p, err)
		}
	}
	return yield
}

// end returns the highest seq that was given.
func (n *naive) end() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

func (n *naive) loop(ctx context.Context, r backend.Range, follows bool, yield func(backend.Page, error) bool) {
	if n.bug == "no stores are all" && len(r.Stores) == 0 {
		r.Stores = nil
	}
	n.mu.Lock()
	gen, empty := n.gen, len(n.facts) == 0
	n.mu.Unlock()
	if empty && n.bug == "an empty log is an error" {
		yield(backend.Page{}, errors.New("nothing there"))
		return
	}
	p := backend.NewPager(n.id, r, yield)
	last, live, seen := r.After.Seq, false, 0
	for {
		if err := n.check(ctx, r.After, follows); err != nil && n.bug != "ignores ctx" {
			silent := n.bug == "a cancelled loop ends silently" && ctx.Err() != nil && seen > 0 ||
				n.bug == "Close ends loops silently" && ctx.Err() == nil && seen > 0 ||
				n.bug == "a Replay of stores ends silently" && len(r.Stores) > 0 && !follows ||
				n.bug == "a cancelled follower ends silently" && ctx.Err() != nil && follows
			if !silent {
				p.Fail(err)
			}
			return
		}
		n.mu.Lock()
		moved := n.gen != gen
		gen = n.gen
		held := n.bug != "a follower after a pruned seq gets nothing" ||
			slices.ContainsFunc(n.facts, func(f backend.Fact) bool { return f.Seq == last })
		n.mu.Unlock()
		switch {
		case moved && n.bug == "a snapshot ends loops" && !follows:
			return
		case moved && n.bug == "a snapshot makes followers begin again" && follows:
			last = r.After.Seq
			p = backend.NewPager(n.id, r, yield)
		}
		batch, end, changed := n.next(last)
		n.mu.Lock()
		p.Tell(n.horizons)
		n.mu.Unlock()
		if n.bug == "a loop counts places" && !follows { // which pruning moves
			n.mu.Lock()
			if batch = nil; seen < len(n.facts) {
				batch = n.facts[seen : seen+1]
			}
			n.mu.Unlock()
		}
		if follows && batch != nil {
			switch more, _, _ := n.next(batch[len(batch)-1].Seq); {
			case n.bug == "a follower waits for one more" && more == nil,
				n.bug == "a follower after a pruned seq gets nothing" && !held && last > 0:
				batch, end = nil, last
			}
		}
		if batch == nil {
			if !follows {
				if n.bug != "the last page is missing" {
					p.Flush(end)
				}
				return
			}
			switch n.bug {
			case "misses what comes between history and live":
				if !live {
					n.mu.Lock()
					n.yields()
					end = n.last
					n.mu.Unlock()
				}
			case "repeats the last of history":
				if !live && last > 0 && p.Flush(end) {
					end = last - 1
					p = backend.NewPager(n.id, backend.Range{After: backend.Cursor{Log: n.id, Seq: end}, Stores: r.Stores}, yield)
				}
			}
			first := !live
			live = true
			if !(n.bug == "a follower's first page waits" && first && last == r.After.Seq) && !p.Flush(end) {
				return
			}
			last = max(end, r.After.Seq)
			if n.bug == "looks for changes after a page" {
				_, _, changed = n.next(math.MaxUint64)
			}
			if !n.wait(ctx, changed, len(r.Stores) > 0) {
				return
			}
			continue
		}
		switch {
		case n.bug == "leaves a slow follower behind" && follows && end > last+1000:
			last = end - 1000
			continue
		case n.bug == "sees one fact of a batch" && live:
			batch = batch[len(batch)-1:]
		}
		last = batch[len(batch)-1].Seq
		seen += len(batch)
		if n.leavesOut(batch, r.Known) {
			continue
		}
		if !n.add(p, batch, follows) {
			return
		}
	}
}

// leavesOut reports whether pages lack a batch, since the reader has it.
func (n *naive) leavesOut(batch []backend.Fact, known func() uint64) bool {
	if known == nil {
		return false
	}
	switch n.bug {
	case "leaves out a batch that is known in part":
		return batch[0].Seq <= known()
	case "leaves out one fact more than is known":
		return batch[len(batch)-1].Seq <= known()+1
	}
	return batch[len(batch)-1].Seq <= known()
}

// add adds a batch to a page.
func (n *naive) add(p *backend.Pager, batch []backend.Fact, follows bool) bool {
	most := math.MaxInt
	switch {
	case n.bug == "a row limit cuts batches":
		most = 100
	case n.bug == "Follow cuts batches" && follows:
		most = 1
	}
	for len(batch) > most {
		if !p.Add(batch[:most]...) || !p.Flush(0) {
			return false
		}
		batch = batch[most:]
	}
	return p.Add(batch...)
}

// check returns the error for which a loop can't go on, if there is one.
func (n *naive) check(ctx context.Context, after backend.Cursor, follows bool) error {
	err := n.ready(ctx)
	if n.bug == "a diverged log is read on" && errors.Is(err, backend.ErrDiverged) {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s := backend.Stats{Log: n.id, Ancestors: n.ancestors, LastSeq: n.last}
	switch {
	case n.bug == "the end is not checked" && !follows, n.bug == "a follower beyond the end waits" && follows,
		n.bug == "Through is one too far":
		s.LastSeq = math.MaxUint64
	case n.bug == "accepts another log's cursor":
		s.Log = after.Log
	}
	_, err = s.Resume(after)
	return err
}

// wait waits for a change, and returns false if a bug ends the follower without an error.
func (n *naive) wait(ctx context.Context, changed chan struct{}, filtered bool) bool {
	done := ctx.Done()
	if n.bug == "ignores ctx while it waits" || n.bug == "ignores ctx while it waits for stores" && filtered {
		done = nil
	}
	select {
	case <-changed:
	case <-done:
	case <-n.done:
		return n.bug != "a follower ends silently on Close"
	}
	return true
}

// inAnyCase returns the stores of the log that have one of some names in any case.
func (n *naive) inAnyCase(names []string) []string {
	if names == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	stores := slices.Clone(names)
	for _, f := range n.facts {
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, f.Store) }) {
			stores = append(stores, f.Store)
		}
	}
	return stores
}
