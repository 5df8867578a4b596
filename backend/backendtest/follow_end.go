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
		{"follow-cancelled", following, ends, followCancelled},
		{"follow-cancelled-idle", following, ends + " While it waits for facts, too.", followCancelledIdle},
		{"follow-cancelled-filtered", following, ends + " While it waits for facts of its stores, too.", followCancelledFiltered},
		{"follow-closed", following, "Follow ends with ErrClosed once the backend is closed.", followClosed},
	}
}

func followCancelled(l *lab) {
	b := l.open()
	log := l.write(b, facts(20)...)
	for _, n := range []int{0, 1, 10, 20} {
		ctx, cancel := context.WithCancel(l.ctx)
		var got []backend.Fact
		if n == 0 {
			cancel()
		}
		err := walk(backend.Follow(ctx, b, 0), func(f backend.Fact) bool {
			got = append(got, f)
			if len(got) == n {
				cancel()
			}
			return true
		})
		cancel()
		l.wants(fmt.Sprintf("Follow, cancelled at fact %d", n), err, context.Canceled)
		l.same("the facts before the error", got, log[:len(got)])
	}
	log = append(log, l.write(b, fact(20))...)
	l.holds(b, log)
}

// idle starts a follower that waits, and returns it once it has nothing left to yield.
func (l *lab) idle(ctx context.Context, b backend.Backend, n int, stores ...string) *task {
	l.Helper()
	reached := make(chan struct{})
	follower := l.start(func() error {
		i := 0
		return walk(backend.Follow(ctx, b, 0, stores...), func(f backend.Fact) bool {
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
		l.Fatalf("the follower ended before fact %d: %v", n, follower.err)
	}
	return follower
}

// cancels cancels followers of a log with n facts that concern them, most of which wait by then.
func (l *lab) cancels(b backend.Backend, n int, stores ...string) {
	l.Helper()
	for range 10 {
		ctx, cancel := context.WithCancel(l.ctx)
		follower := l.idle(ctx, b, n, stores...)
		for range 5 { // time for it to begin waiting
			l.replay(b, 0)
		}
		cancel()
		<-follower.done
		l.wants("a follower that was cancelled while it waited", follower.err, context.Canceled)
	}
}

func followCancelledIdle(l *lab) {
	b := l.open()
	l.cancels(b, 0)
	l.write(b, facts(3)...)
	l.cancels(b, 3)
}

func followCancelledFiltered(l *lab) {
	b := l.open()
	l.write(b, facts(3)...)
	l.cancels(b, 3, "tasks", "other")
	l.cancels(b, 0, "other")
}

func followClosed(l *lab) {
	for _, n := range []int{0, 3} {
		if n > 0 {
			l.dir = l.TempDir()
		}
		b := l.open()
		l.write(b, facts(n)...)
		var followers []*task
		for range 5 {
			followers = append(followers, l.idle(l.ctx, b, n), l.idle(l.ctx, b, 0, "other"))
		}
		for range 5 {
			l.replay(b, 0)
		}
		l.close(b)
		for _, f := range followers {
			<-f.done
			l.wants("a follower of a backend that was closed", f.err, backend.ErrClosed)
		}
	}
}
