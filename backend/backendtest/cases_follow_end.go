// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/backend"
)

// followEndCases are about how Follow ends.
func followEndCases() []testCase {
	const ends = "Follow ends with ctx's error once ctx is done."
	return []testCase{
		{"follow-cancelled", 0, ends, followCancelled},
		{"follow-cancelled-idle", 0, ends + " While it waits for facts, too.", followCancelledIdle},
		{"follow-cancelled-filtered", 0, ends + " While it waits for facts of its stores, too.", followCancelledFiltered},
		{"follow-closed", 0, "Follow ends with ErrClosed once the backend is closed.", followClosed},
	}
}

func followCancelled(h *harness) {
	b := h.open()
	log := h.write(b, facts(20)...)
	for _, n := range []int{0, 1, 10, 20} {
		ctx, cancel := context.WithCancel(h.ctx)
		var got []backend.Fact
		if n == 0 {
			cancel()
		}
		err := walk(followOf(ctx, b, from(0)), func(f backend.Fact) bool {
			got = append(got, f)
			if len(got) == n {
				cancel()
			}
			return true
		})
		cancel()
		h.wantError(fmt.Sprintf("Follow, cancelled at fact %d", n), err, context.Canceled)
		h.wantSame("the facts before the error", got, log[:len(got)])
	}
	log = append(log, h.write(b, fact(20))...)
	h.wantLog(b, log)
}

// startIdle starts a follower of n facts, and returns it once it has yielded them.
func (h *harness) startIdle(ctx context.Context, b backend.Log, n int, stores ...string) *task {
	h.Helper()
	reached := make(chan struct{})
	follower := h.start(func() error {
		i := 0
		return walk(followOf(ctx, b, from(0, stores...)), func(f backend.Fact) bool {
			if i++; i == n {
				close(reached)
			}
			return true
		})
	})
	if n == 0 {
		return follower
	}
	select {
	case <-reached:
	case <-follower.done:
		h.Fatalf("the follower ended before fact %d: %v", n, follower.err)
	}
	return follower
}

// wantCancelled cancels followers that yield n facts of the log. Most of them wait for more at that time.
func (h *harness) wantCancelled(b backend.Log, n int, stores ...string) {
	h.Helper()
	for range 10 {
		ctx, cancel := context.WithCancel(h.ctx)
		follower := h.startIdle(ctx, b, n, stores...)
		for range 5 { // time for it to begin waiting
			h.replay(b, 0)
		}
		cancel()
		<-follower.done
		h.wantError("a follower that was cancelled while it waited", follower.err, context.Canceled)
	}
}

func followCancelledIdle(h *harness) {
	b := h.open()
	h.wantCancelled(b, 0)
	h.write(b, facts(3)...)
	h.wantCancelled(b, 3)
}

func followCancelledFiltered(h *harness) {
	b := h.open()
	h.write(b, facts(3)...)
	h.wantCancelled(b, 3, "tasks", "other")
	h.wantCancelled(b, 0, "other")
}

func followClosed(h *harness) {
	for _, n := range []int{0, 3} {
		if n > 0 {
			h.newLog()
		}
		b := h.open()
		h.write(b, facts(n)...)
		var followers []*task
		for range 5 {
			followers = append(followers, h.startIdle(h.ctx, b, n), h.startIdle(h.ctx, b, 0, "other"))
		}
		for range 5 {
			h.replay(b, 0)
		}
		h.close(b)
		for _, f := range followers {
			<-f.done
			h.wantError("a follower of a backend that was closed", f.err, backend.ErrClosed)
		}
	}
}
