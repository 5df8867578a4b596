// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"errors"

	"github.com/igniter-store/igniter/backend"
)

// replayCases are about Replay's loops.
func replayCases() []testCase {
	const body = "The loop's body may call any method but Close; no lock is held while it runs. "
	const pairs = "Each pair is a page and nil, or the zero Page and an error (ctx's, ...), which ends the loop. "
	return []testCase{
		{"replay-empty", 0, "An empty log yields no facts, and may be consolidated. Once a Through was yielded, no fact at or below it appears later.", replayEmpty},
		{"replay-body", 0, body, replayBody},
		{"replay-body-others", 0, body + "Other loops go on meanwhile.", replayBodyOthers},
		{"replay-break", 0, "A loop may be left at any page, and then it does nothing more.", replayBreak},
		{"replay-reuse", 0, "The sequence may be used several times; each use reads the log again.", replayReuse},
		{"replay-cancelled", 0, pairs, replayCancelled},
		{"replay-cancelled-in-body", 0, pairs + "The loop may be left before that.", replayCancelledInBody},
	}
}

func replayEmpty(h *harness) {
	b := h.open()
	through := uint64(0)
	for range 2 {
		for _, stores := range [][]string{nil, {}, {"tasks"}} {
			pages := h.replayPages(b, backend.Range{Stores: stores})
			for _, p := range pages {
				h.wantSame("the empty log", p.Facts, nil)
				through = max(through, p.Through.Seq)
			}
		}
		h.snapshot(b, 0)
		h.snapshot(b, 5)
	}
	log := h.write(b, fact(0))
	if log[0].Seq <= through {
		h.Fatalf("the empty log was read through %d, and its first fact has seq %d", through, log[0].Seq)
	}
	h.wantLog(b, log)
}

func replayBody(h *harness) {
	b := h.open()
	log := h.write(b, wides(6)...)
	seen := 0
	err := walk(replayOf(h.ctx, b, from(0)), func(f backend.Fact) bool {
		if seen < len(log) {
			h.wantSame("the fact in the body", []backend.Fact{f}, log[seen:seen+1])
		}
		if seen < 6 {
			log = append(log, h.write(b, fact(10+seen))...)
			if seen%4 == 0 {
				h.wantSame("the log", h.replay(b, 0), log)
			}
			h.stats(b)
			h.snapshot(b, 0)
			h.wantSame("a fact written again in the body", h.write(b, wide(seen)), log[seen:seen+1])
		}
		seen++
		return seen < 1000
	})
	if err != nil {
		h.Fatalf("Replay: %v", err)
	}
	if seen < 6 || seen > 12 {
		h.Fatalf("the loop yielded %d facts; 6 were there when it began, 12 when it ended", seen)
	}
	h.wantLog(b, log)
}

func replayBodyOthers(h *harness) {
	b := h.open()
	log := h.write(b, wides(3)...)
	first := true
	var all []backend.Fact
	err := walk(replayOf(h.ctx, b, from(0)), func(f backend.Fact) bool {
		if first {
			first = false
			h.join(h.start(func() error {
				f, err := h.put(b, fact(3))
				log = append(log, f)
				return err
			}), h.start(func() error {
				_, err := collect(replayOf(h.ctx, b, from(0)))
				return err
			}), h.start(func() error {
				return b.WriteSnapshot(h.ctx, 0)
			}))
		}
		all = append(all, f)
		return true
	})
	if err != nil || len(all) < 3 {
		h.Fatalf("Replay yielded %d facts and error %v", len(all), err)
	}
	h.wantSame("the loop", all, log[:len(all)])
	h.wantLog(b, log)
}

func replayBreak(h *harness) {
	b := h.open()
	log := h.write(b, wides(4)...)
	for n := 1; n <= len(log); n++ {
		got, err := take(replayOf(h.ctx, b, from(0)), n)
		if err != nil {
			h.Fatalf("a loop left at fact %d: %v", n, err)
		}
		h.wantSame("a loop that was left", got, log[:n])
	}
	log = append(log, h.write(b, fact(10))...)
	h.wantLog(b, log)
}

func replayReuse(h *harness) {
	b := h.open()
	log := h.write(b, wides(5)...)
	again := replayOf(h.ctx, b, from(log[1].Seq))
	for i := range 3 {
		if _, err := take(again, 1); err != nil {
			h.Fatalf("Replay: %v", err)
		}
		all, err := collect(again)
		if err != nil {
			h.Fatalf("Replay: %v", err)
		}
		h.wantSame("one more use of the same loop", all, log[2:])
		log = append(log, h.write(b, fact(5+i))...)
	}
	err := walk(again, func(f backend.Fact) bool { // inside itself
		all, err := collect(again)
		if err != nil {
			h.Fatalf("Replay: %v", err)
		}
		h.wantSame("the loop inside itself", all, log[2:])
		return true
	})
	if err != nil {
		h.Fatalf("Replay: %v", err)
	}
}

func replayCancelled(h *harness) {
	b := h.open()
	log := h.write(b, facts(20)...)
	ctx, cancel := context.WithCancel(h.ctx)
	again := replayOf(ctx, b, from(0))
	cancel()
	for range 2 {
		got, err := collect(again)
		h.wantError("Replay with a cancelled context", err, context.Canceled)
		h.wantSame("the facts before the error", got, log[:len(got)])
	}
	h.wantLog(b, log)
}

func replayCancelledInBody(h *harness) {
	b := h.open()
	log := h.write(b, wides(6)...)
	for _, n := range []int{1, 2, 5, 6} {
		for _, leave := range []bool{true, false} {
			ctx, cancel := context.WithCancel(h.ctx)
			var got []backend.Fact
			err := walk(replayOf(ctx, b, from(0)), func(f backend.Fact) bool {
				got = append(got, f)
				if len(got) == n {
					cancel()
				}
				return len(got) < n || !leave
			})
			cancel()
			switch {
			case err == nil && len(got) < len(log) && !leave:
				h.Fatalf("cancelled at fact %d of %d, the loop ended at %d without an error", n, len(log), len(got))
			case err != nil && (leave || !errors.Is(err, context.Canceled)):
				h.Fatalf("cancelled at fact %d, left: %v: error %v", n, leave, err)
			case leave && len(got) != n:
				h.Fatalf("cancelled and left at fact %d, the loop yielded %d", n, len(got))
			}
			h.wantSame("the facts before the end", got, log[:len(got)])
		}
	}
	h.wantLog(b, log)
}
