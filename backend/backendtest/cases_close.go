// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// closeCases are about Close, and about calls after it.
func closeCases() []testCase {
	const after = "Once the backend is closed, every other method reports ErrClosed."
	const met = "Calls in flight either finish or report ErrClosed."
	return []testCase{
		{"close-twice", 0, "Closing again returns nil.", closeTwice},
		{"close-in-flight", 0, met, closeInFlight},
		{"close-in-flight-batch", batches, met, closeInFlightBatch},
		{"close-in-flight-prune", pruning, met, closeInFlightPrune},
		{"close-in-flight-snapshot", 0, met, closeInFlightSnapshot},
		{"close-in-flight-stats", 0, met, closeInFlightStats},
		{"closed", 0, after, closed},
		{"closed-batch", batches, after, closedBatch},
		{"closed-follow", 0, after, closedFollow},
		{"closed-prune", pruning, after, closedPrune},
		{"closed-stats", 0, after, closedStats},
	}
}

func closeTwice(h *harness) {
	b := h.open()
	h.write(b, fact(0))
	for range 3 {
		h.close(b)
	}
	h.newLog()
	b = h.open()
	var tasks []*task
	for range writers {
		tasks = append(tasks, h.start(b.Close))
	}
	h.join(tasks...)
}

func closeInFlight(h *harness) {
	for range 4 {
		h.newLog()
		b := h.open()
		n := len(h.write(b, wides(6)...))
		begun, closing := make(chan struct{}, writers), make(chan struct{})
		var readers []*task
		for range writers {
			readers = append(readers, h.start(func() error {
				seen := 0
				err := walk(replayOf(h.ctx, b, from(0)), func(backend.Fact) bool {
					if seen++; seen == 2 {
						begun <- struct{}{}
						<-closing
					}
					runtime.Gosched()
					return true
				})
				if err == nil && seen < n {
					return fmt.Errorf("a loop that Close met ended after %d facts of %d, without an error", seen, n)
				}
				if err != nil && !errors.Is(err, backend.ErrClosed) {
					return fmt.Errorf("a loop that Close met: %w", err)
				}
				return nil
			}))
		}
		for i, r := range readers {
			select {
			case <-begun:
			case <-r.done:
				close(closing)
				h.join(r)
				h.Fatalf("loop %d ended before its second fact of %d", i, n)
			}
		}
		close(closing)
		h.close(b)
		h.join(readers...)
	}
	h.newLog()
	for _, facts := range h.closeWhileWriting(h.open()) {
		if !slices.IsSortedFunc(facts, bySeq) {
			h.Fatalf("the seqs of a writer's facts are not in the order of its writes")
		}
	}
}

// closeDuring opens logs, and closes each while several callers call again and again. call gets the number of the caller,
// the facts of the log that this caller wrote, and the number of its earlier calls.
func (h *harness) closeDuring(what string, call func(b backend.Log, own []backend.Fact, caller, n int) error) {
	h.Helper()
	for range 10 {
		h.newLog()
		b := h.open()
		tasks, told := h.startWriters(b, 5)
		h.join(tasks...)
		begun, over := make(chan struct{}, writers), make(chan struct{})
		for w := range writers {
			tasks[w] = h.start(func() error {
				for n := 0; ; n++ {
					late := false
					select {
					case <-over:
						late = true
					default:
					}
					err := call(b, told[w], w, n)
					switch {
					case errors.Is(err, backend.ErrClosed):
						return nil
					case err != nil:
						return fmt.Errorf("%s that Close met: %w", what, err)
					case late:
						return fmt.Errorf("%s succeeds after Close", what)
					case n == 1:
						begun <- struct{}{}
					}
				}
			})
		}
		for _, t := range tasks {
			select {
			case <-begun:
			case <-t.done:
			}
		}
		err := b.Close()
		close(over)
		h.wantError("Close while others call", err, nil)
		h.join(tasks...)
	}
}

func closeInFlightBatch(h *harness) {
	h.closeDuring("Write", func(b backend.Log, _ []backend.Fact, caller, n int) error {
		_, err := h.putBatch(b, backend.Batch{Facts: []backend.Fact{by(caller, 1000+2*n), by(caller, 1001+2*n)}})
		return err
	})
}

func closeInFlightPrune(h *harness) {
	h.closeDuring("Prune", func(b backend.Log, own []backend.Fact, _, n int) error {
		_, err := b.Prune(h.ctx, slices.Values([]uint64{own[n%len(own)].Seq}), backend.Horizon{})
		return err
	})
}

func closeInFlightSnapshot(h *harness) {
	h.closeDuring("WriteSnapshot", func(b backend.Log, _ []backend.Fact, caller, n int) error {
		if _, err := h.put(b, by(caller, 1000+n)); err != nil {
			return err
		}
		return b.WriteSnapshot(h.ctx, 0)
	})
}

func closeInFlightStats(h *harness) {
	h.closeDuring("Stats", func(b backend.Log, _ []backend.Fact, _, _ int) error {
		_, err := b.Stats(h.ctx)
		return err
	})
}

func closed(h *harness) {
	b := h.open()
	h.write(b, facts(3)...)
	before := replayOf(h.ctx, b, from(0))
	h.close(b)
	f, err := h.put(b, fact(3))
	h.wantError("WriteFact after Close", err, backend.ErrClosed)
	h.wantSame("the fact beside the error", []backend.Fact{f}, []backend.Fact{{}})
	_, err = h.put(b, fact(0))
	h.wantError("WriteFact of a fact that is there, after Close", err, backend.ErrClosed)
	h.wantError("WriteSnapshot after Close", b.WriteSnapshot(h.ctx, 0), backend.ErrClosed)
	got, err := collect(before)
	h.wantError("a loop over what Replay returned before Close", err, backend.ErrClosed)
	h.wantSame("the facts before the error", got, nil)
	for _, after := range []uint64{0, 1, 1000} {
		got, err = collect(replayOf(h.ctx, b, from(after)))
		h.wantError("Replay after Close", err, backend.ErrClosed)
		h.wantSame("the facts before the error", got, nil)
	}
	h.close(b)
}

func closedBatch(h *harness) {
	b := h.open()
	h.write(b, fact(0))
	h.close(b)
	for _, batch := range []backend.Batch{
		{}, {Facts: facts(1)}, {Facts: facts(3)},
		{Expect: []backend.Expect{{Store: "tasks", Key: "t0", ID: fact(0).ID}}},
	} {
		_, err := h.putBatch(b, batch)
		h.wantError("Write after Close", err, backend.ErrClosed)
	}
}

func closedFollow(h *harness) {
	b := h.open()
	h.write(b, facts(3)...)
	again := followOf(h.ctx, b, from(0))
	h.close(b)
	for range 2 {
		got, err := collect(again)
		h.wantError("a loop over what Follow returned before Close", err, backend.ErrClosed)
		h.wantSame("the facts before the error", got, nil)
		again = followOf(context.WithoutCancel(h.ctx), b, from(1, "tasks"))
	}
}

func closedPrune(h *harness) {
	b := h.open()
	log := h.write(b, facts(3)...)
	h.close(b)
	for _, seqs := range [][]uint64{nil, {log[0].Seq}} {
		_, err := b.Prune(h.ctx, slices.Values(seqs), backend.Horizon{})
		h.wantError("Prune after Close", err, backend.ErrClosed)
	}
}

func closedStats(h *harness) {
	b := h.open()
	h.write(b, fact(0))
	h.close(b)
	_, err := b.Stats(h.ctx)
	h.wantError("Stats after Close", err, backend.ErrClosed)
}
