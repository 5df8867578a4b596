// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"errors"
	"fmt"
	"math"
	"runtime"

	"github.com/igniter-store/igniter/backend"
)

// followPageCases are about the pages of Follow.
func followPageCases() []testCase {
	const pages = "Follow's first page comes at once, perhaps empty. Later empty pages come only when Through moved, and promptly. "
	return []testCase{
		{"follow-first-page", 0, pages, followFirstPage},
		{"follow-progress", 0, pages + ruleMoves, followProgress},
		{"follow-progress-pruned", pruning, pages + ruleMoves, followProgressPruned},
		{"follow-through", 0, "Follow ends at r.Through, if that is not 0.", followThrough},
		{"follow-diverged", 0, "An r.After beyond the log's end is a *DivergedError, for Follow too.", followDiverged},
		{"follow-wake", 0, "Follow yields each new fact as it is acknowledged: a follower that begins to wait at that moment sees it too.", followWake},
	}
}

func followFirstPage(h *harness) {
	b := h.open()
	first := func(r backend.Range) backend.Page {
		var got backend.Page
		if err := walkPages(followOf(h.ctx, b, r), func(p backend.Page) bool {
			got = p
			return false
		}); err != nil {
			h.Fatalf("Follow %s: %v", rangeText(r), err)
		}
		return got
	}
	h.wantSame("the first page of an empty log", first(backend.Range{}).Facts, nil)
	log := h.write(b, facts(5)...)
	last := log[4].Seq
	h.wantSame("the first page", first(backend.Range{}).Facts[:1], log[:1])
	for _, r := range []backend.Range{from(last), from(0, "other"), {Stores: []string{}}, from(last, "other")} {
		p := first(r)
		h.wantSame("the first page of Follow "+rangeText(r), p.Facts, nil)
		if p.Through.Seq < r.After.Seq {
			h.Fatalf("the first page of Follow %s is through %s", rangeText(r), p.Through)
		}
	}
}

// A progress is a follower that records how far its pages have read the log.
type progress struct {
	*task
	h       *harness
	through chan uint64
	facts   []backend.Fact // once the task is over
}

// startProgress follows r until a page is through a seq of at least last.
func (h *harness) startProgress(b backend.Log, r backend.Range, last uint64) *progress {
	p := &progress{h: h, through: make(chan uint64)}
	p.task = h.start(func() error {
		return walkPages(followOf(h.ctx, b, r), func(page backend.Page) bool {
			p.facts = append(p.facts, page.Facts...)
			select {
			case p.through <- page.Through.Seq:
			case <-h.ctx.Done():
			}
			return page.Through.Seq < last
		})
	})
	return p
}

// wantThrough fails the case unless the follower's pages get to seq, without another write.
func (p *progress) wantThrough(seq uint64) {
	p.h.Helper()
	for {
		select {
		case through := <-p.through:
			if through >= seq {
				return
			}
		case <-p.done:
			p.h.Fatalf("a follower ended before a page through %d: %v", seq, p.err)
		case <-p.h.ctx.Done():
			p.h.Fatalf("seq %d was acknowledged, and no page of a follower is through it", seq)
		}
	}
}

func followProgress(h *harness) {
	for _, stores := range [][]string{{"other"}, {}, {"c", "none"}} {
		h.newLog()
		b := h.open()
		given := stored(24)
		log := h.write(b, given[:3]...)
		p := h.startProgress(b, backend.Range{Stores: stores}, math.MaxUint64)
		p.wantThrough(log[2].Seq)
		for i := 3; i < len(given); i++ {
			log = append(log, h.write(b, given[i])...)
			p.wantThrough(log[i].Seq)
		}
	}
}

func followProgressPruned(h *harness) {
	b := h.open()
	log := h.write(b, facts(10)...)
	h.prune(b, seqs(log[5:])...)
	for _, r := range []backend.Range{{}, from(0, "other"), from(log[7].Seq), {Stores: []string{}}} {
		p := h.startProgress(b, r, log[9].Seq)
		p.wantThrough(log[9].Seq)
		h.join(p.task)
		h.wantSame("what was followed of a log whose tail is pruned", p.facts, part(log[:5], r))
	}
}

func followThrough(h *harness) {
	b := h.open()
	log := h.write(b, stored(12)...)
	last := log[11].Seq
	for _, stores := range [][]string{nil, {"a"}, {"none"}, {}} {
		for _, after := range []uint64{0, log[4].Seq, last} {
			for _, through := range append(cursors(log)[1:], last) {
				if through == 0 {
					continue
				}
				r := backend.Range{After: backend.Cursor{Seq: after}, Through: through, Stores: stores}
				got, err := collect(followOf(h.ctx, b, r))
				if err != nil {
					h.Fatalf("Follow %s: %v", rangeText(r), err)
				}
				h.wantSame("Follow "+rangeText(r), got, part(log, r))
			}
		}
	}
	var tasks []*task
	for _, stores := range [][]string{nil, {"a"}, {"none"}} { // ends beyond the log's present end
		for _, more := range []uint64{1, 2, 5} {
			r := backend.Range{After: backend.Cursor{Seq: log[4].Seq}, Through: last + more, Stores: stores}
			tasks = append(tasks, h.start(func() error {
				got, err := collect(followOf(h.ctx, b, r))
				if err != nil {
					return fmt.Errorf("a Follow %s: %w", rangeText(r), err)
				}
				all, err := collect(replayOf(h.ctx, b, r))
				if d := diff(got, all); err != nil || d != "" {
					return fmt.Errorf("a Follow %s is not what Replay yields (error %v; -want +got):\n%s", rangeText(r), err, d)
				}
				return nil
			}))
		}
	}
	for i := 12; log[len(log)-1].Seq < last+5; i++ {
		log = append(log, h.write(b, of(fact(i).ID, "a", "k", "1"))...)
	}
	h.join(tasks...)
}

func followDiverged(h *harness) {
	b := h.open()
	last := uint64(0)
	for i := range 2 {
		for _, seq := range beyond(last) {
			for _, r := range []backend.Range{from(seq), from(seq, "tasks"), {After: backend.Cursor{Seq: seq}, Stores: []string{}}, {After: backend.Cursor{Seq: seq}, Through: seq}} {
				got, err := collect(followOf(h.ctx, b, r))
				h.wantDiverged("Follow "+rangeText(r), err, r.After, last)
				h.wantSame("the facts before the error", got, nil)
			}
		}
		last = h.write(b, facts(5*i + 5)[5*i:]...)[4].Seq
	}
}

func followWake(h *harness) {
	b := h.open()
	log := h.write(b, fact(0))
	for i := range 240 {
		last, next := log[len(log)-1].Seq, fact(i+1)
		begun := make(chan struct{})
		var got []backend.Fact
		pages := 0
		follower := h.start(func() error {
			var failed error
			err := walkPages(followOf(h.ctx, b, from(last)), func(p backend.Page) bool {
				if pages++; pages == 1 {
					close(begun)
					if i%3 == 0 { // before the follower can wait
						_, failed = h.put(b, next)
					}
				}
				got = append(got, p.Facts...)
				return len(got) == 0 && failed == nil
			})
			return errors.Join(err, failed)
		})
		if i%3 == 1 { // after the follower's first look; it may be about to wait
			select {
			case <-begun:
			case <-follower.done:
			case <-h.ctx.Done():
				h.Fatalf("the first page of a follower does not come")
			}
		}
		if i%3 > 0 { // at the same time
			for range i % 7 {
				runtime.Gosched()
			}
			h.write(b, next)
		}
		h.join(follower)
		log = h.replay(b, 0)
		h.wantSame("what was followed", got, log[len(log)-1:])
	}
}
