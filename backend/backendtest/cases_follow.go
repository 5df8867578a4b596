// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// followCases are about Follow.
func followCases() []testCase {
	const rule = "Follow yields what Replay yields, and then each new fact as it is acknowledged, in order, with no gap and no repeat. "
	return []testCase{
		{"follow", 0, rule, follow},
		{"follow-live", 0, rule + "It does not wait for a later fact.", followLive},
		{"follow-after", 0, rule + "It begins after r.After.", followAfter},
		{"follow-stores", 0, rule + "It yields only facts of r.Stores; nil: all stores; empty: none.", followStores},
		{"follow-batch", batches, rule + "Facts of a batch come like any others.", followBatch},
		{"follow-slow", 0, "A slow reader costs writers nothing: it is served from the log, not from a queue.", followSlow},
		{"follow-resume", 0, "Loops resume only by cursors: Follow after the last fact's seq, or the last page's Through, yields the facts that come next.", followResume},
		{"follow-reuse", 0, "Replay's rules for pairs hold: the sequence may be used several times, and a loop that was left does nothing more.", followReuse},
		{"follow-body", 0, "Replay's rules for loop bodies hold: the body may call any method but Close, and no lock is held while it runs.", followBody},
	}
}

// startFollower starts a follower that ends after n facts, and collects them in the slice that it returns.
func (h *harness) startFollower(b backend.Log, r backend.Range, n int) (*task, *[]backend.Fact) {
	var got []backend.Fact
	return h.start(func() (err error) {
		if got, err = take(followOf(h.ctx, b, r), n); err != nil {
			err = fmt.Errorf("a Follow %s: %w", rangeText(r), err)
		}
		return err
	}), &got
}

func follow(h *harness) {
	b := h.open()
	h.write(b, facts(10)...)
	const n = 50
	var followers []*task
	var got []*[]backend.Fact
	more := func() {
		for range 3 {
			t, facts := h.startFollower(b, from(0), 10+writers*n)
			followers, got = append(followers, t), append(got, facts)
		}
	}
	more()
	tasks, _ := h.startWriters(b, n)
	more()
	for range 4 { // each begins at another moment
		h.replay(b, 0)
		more()
	}
	h.join(tasks...)
	more()
	h.join(followers...)
	log := h.replay(b, 0)
	for _, facts := range got {
		h.wantSame("what was followed, compared with the log,", *facts, log)
	}
	for round := range 60 { // facts come at the moment when Follow reaches the log's end
		last := log[len(log)-1].Seq
		follower, got := h.startFollower(b, from(last), 4)
		two := func(w int) *task {
			return h.start(func() error {
				for i := range 2 {
					if _, err := h.put(b, by(w, n+2*round+i)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		h.join(two(0), two(1), follower)
		log = h.replay(b, last)
		h.wantSame("what was followed from the end of the log, compared with it,", *got, log)
	}
}

func followLive(h *harness) {
	b := h.open()
	w := h.watch(b, 20)
	for i := range 20 {
		w.wantNext(h.write(b, fact(i)))
	}
	h.join(w.task)
}

// A watcher is a follower that passes its facts on one by one.
type watcher struct {
	*task
	h    *harness
	seen chan backend.Fact
}

// watch follows the whole log for n facts.
func (h *harness) watch(b backend.Log, n int) *watcher {
	w := &watcher{h: h, seen: make(chan backend.Fact)}
	w.task = h.start(func() error {
		i := 0
		return walk(followOf(h.ctx, b, from(0)), func(f backend.Fact) bool {
			select {
			case w.seen <- f:
			case <-h.ctx.Done():
			}
			i++
			return i < n
		})
	})
	return w
}

// wantNext fails the case unless the follower yields the facts, which were acknowledged, next.
func (w *watcher) wantNext(facts []backend.Fact) {
	w.h.Helper()
	for _, want := range facts {
		select {
		case f := <-w.seen:
			w.h.wantSame("what was followed", []backend.Fact{f}, []backend.Fact{want})
		case <-w.done:
			w.h.Fatalf("the follower ended before fact %q: %v", want.ID, w.err)
		case <-w.h.ctx.Done():
			w.h.Fatalf("fact %q was written and acknowledged, but not followed", want.ID)
		}
	}
}

func followAfter(h *harness) {
	b := h.open()
	log := h.write(b, facts(6)...)
	for _, seq := range []uint64{0, log[0].Seq, log[3].Seq, log[4].Seq} {
		want := rest(log, seq)
		got, err := take(followOf(h.ctx, b, from(seq)), len(want))
		if err != nil {
			h.Fatalf("Follow after %d: %v", seq, err)
		}
		h.wantSame("what was followed", got, want)
	}
	atLast, fromLast := h.startFollower(b, from(log[5].Seq), 3)
	log = append(log, h.write(b, facts(9)[6:]...)...)
	h.join(atLast)
	h.wantSame("what was followed after the last seq", *fromLast, log[6:9])
}

func followStores(h *harness) {
	b := h.open()
	given := stored(40)
	log := h.write(b, given[:20]...)
	lists := [][]string{nil, {"a"}, {"ab"}, {"a", "c"}, {"b", "none"}, {"a", "b", "c", "ab"}, {"c", "c"}}
	var tasks []*task
	var got []*[]backend.Fact
	for _, stores := range lists {
		// Twice the present facts, since the second half is like the first.
		r := backend.Range{Stores: stores}
		t, facts := h.startFollower(b, r, 2*len(part(log, r)))
		tasks, got = append(tasks, t), append(got, facts)
	}
	log = append(log, h.write(b, given[20:]...)...)
	h.join(tasks...)
	for i, stores := range lists {
		h.wantSame(fmt.Sprintf("what was followed of stores %q", stores), *got[i], part(log, backend.Range{Stores: stores}))
	}
	none, err := collect(followOf(h.ctx, b, backend.Range{Through: log[39].Seq, Stores: []string{}}))
	if err != nil {
		h.Fatalf("Follow of no stores: %v", err)
	}
	h.wantSame("what was followed of no stores", none, nil)
}

func followBatch(h *harness) {
	b := h.open()
	w := h.watch(b, 101)
	w.wantNext(h.write(b, fact(0)))
	for i := range 20 {
		w.wantNext(h.batch(b, facts(5*i + 6)[5*i+1:]))
	}
	h.join(w.task)
	_, err := take(followOf(h.ctx, b, from(0)), 101)
	h.wantError("Follow of what is there", err, nil)
}

func followSlow(h *harness) {
	b := h.open()
	first, release := make(chan struct{}), make(chan struct{})
	const n = 200
	var got []backend.Fact
	slow := h.start(func() error {
		err := walk(followOf(h.ctx, b, from(0)), func(f backend.Fact) bool {
			if len(got) == 0 {
				close(first)
				select {
				case <-release:
				case <-h.ctx.Done():
				}
			}
			got = append(got, f)
			return len(got) < 1+writers*n
		})
		if err != nil {
			return fmt.Errorf("after %d facts of %d: %w", len(got), 1+writers*n, err)
		}
		return nil
	})
	h.write(b, fact(0))
	select {
	case <-first:
	case <-slow.done:
		h.Fatalf("the follower ended before its first fact: %v", slow.err)
	case <-h.ctx.Done():
		h.Fatalf("a fact was written and acknowledged, but not followed")
	}
	text := strings.Repeat("x", 2000)
	var tasks []*task
	for w := range writers {
		tasks = append(tasks, h.start(func() error {
			for i := range n {
				f := by(w, i)
				f.Value = fmt.Appendf(nil, `{"text":%q}`, text)
				if _, err := h.put(b, f); err != nil {
					return fmt.Errorf("writer %d, fact %d, while a follower does not go on: %w", w, i, err)
				}
			}
			return nil
		}))
	}
	h.join(tasks...) // all of them, with the follower still in the body of its first fact
	close(release)
	h.join(slow)
	h.wantSame("what a slow follower saw", got, h.replay(b, 0))
}

func followResume(h *harness) {
	b := h.open()
	const n = 25
	tasks, _ := h.startWriters(b, n)
	var all []backend.Fact
	var last backend.Cursor
	for round := 0; len(all) < writers*n; round++ {
		left, mark := min(1+len(all)%7, writers*n-len(all)), last
		err := walkPages(followOf(h.ctx, b, backend.Range{After: last}), func(p backend.Page) bool {
			if round%2 == 0 { // to the page's end
				all, last = append(all, p.Facts...), p.Through
				left -= len(p.Facts)
				return left > 0
			}
			for _, f := range p.Facts[:min(left, len(p.Facts))] {
				all, last.Seq = append(all, f), f.Seq
				left--
			}
			return left > 0
		})
		if err != nil {
			h.Fatalf("Follow after %s, resumed: %v", mark, err)
		}
	}
	h.join(tasks...)
	h.wantSame("what was followed by loops that were left and resumed", all, h.replay(b, 0))
}

func followReuse(h *harness) {
	b := h.open()
	log := h.write(b, facts(5)...)
	again := followOf(h.ctx, b, from(log[0].Seq))
	for i := range 3 {
		for n := 1; n < len(log); n++ {
			got, err := take(again, n)
			if err != nil {
				h.Fatalf("Follow: %v", err)
			}
			h.wantSame("one more use of the same loop", got, log[1:n+1])
		}
		log = append(log, h.write(b, fact(5+i))...)
	}
}

func followBody(h *harness) {
	b := h.open()
	log := h.write(b, wides(6)...)
	seen := 0
	err := walk(followOf(h.ctx, b, from(0)), func(f backend.Fact) bool {
		h.wantSame("the fact in the body", []backend.Fact{f}, log[seen:seen+1])
		if seen < 6 {
			log = append(log, h.write(b, fact(10+seen))...)
			h.wantLog(b, log)
			h.stats(b)
			h.snapshot(b, 0)
			if _, err := take(followOf(h.ctx, b, from(0)), len(log)); err != nil {
				h.Fatalf("Follow in the body of Follow: %v", err)
			}
		}
		seen++
		return seen < 12
	})
	if err != nil || seen != 12 {
		h.Fatalf("Follow yielded %d facts of 12, error %v", seen, err)
	}
}
