package backendtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// closeCases are about Close and what comes after it.
func closeCases() []testCase {
	const after = "Once the backend is closed, every other method reports ErrClosed."
	const met = "Calls in flight either finish or report ErrClosed."
	return []testCase{
		{"close-twice", 0, "Closing again returns nil.", closeTwice},
		{"close-in-flight", 0, met, closeInFlight},
		{"close-in-flight-batch", batches, met, closeInFlightBatch},
		{"close-in-flight-prune", pruning, met, closeInFlightPrune},
		{"close-in-flight-snapshot", 0, met, closeInFlightSnapshot},
		{"close-in-flight-stats", stating, met, closeInFlightStats},
		{"closed", 0, after, closed},
		{"closed-batch", batches, after, closedBatch},
		{"closed-follow", following, after, closedFollow},
		{"closed-prune", pruning, after, closedPrune},
		{"closed-stats", stating, after, closedStats},
	}
}

func closeTwice(l *lab) {
	b := l.open()
	l.write(b, fact(0))
	for range 3 {
		l.close(b)
	}
	l.dir = l.TempDir()
	b = l.open()
	var tasks []*task
	for range writers {
		tasks = append(tasks, l.start(b.Close))
	}
	l.join(tasks...)
}

func closeInFlight(l *lab) {
	for range 10 {
		l.dir = l.TempDir()
		b := l.open()
		n := len(l.write(b, facts(50)...))
		begun, closing := make(chan struct{}, writers), make(chan struct{})
		var readers []*task
		for range writers {
			readers = append(readers, l.start(func() error {
				seen := 0
				err := walk(b.Replay(l.ctx, 0), func(backend.Fact) bool {
					if seen++; seen == 5 {
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
				l.join(r)
				l.Fatalf("loop %d ended before its fifth fact of %d", i, n)
			}
		}
		close(closing)
		l.close(b)
		l.join(readers...)
	}
	l.dir = l.TempDir()
	for _, facts := range l.interrupted(l.open()) {
		if !slices.IsSortedFunc(facts, bySeq) {
			l.Fatalf("the seqs of a writer's facts are not in the order of its writes")
		}
	}
}

// meets opens logs of some facts, and closes each while calls are in flight: several callers, each with
// its number, call again and again, and are told how often they did so before. Each has some of the
// log's facts for its own.
func (l *lab) meets(what string, call func(b backend.Backend, own []backend.Fact, caller, n int) error) {
	l.Helper()
	for range 10 {
		l.dir = l.TempDir()
		b := l.open()
		tasks, told := l.writing(b, 20)
		l.join(tasks...)
		begun, over := make(chan struct{}, writers), make(chan struct{})
		for w := range writers {
			tasks[w] = l.start(func() error {
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
		l.wants("Close while others call", err, nil)
		l.join(tasks...)
	}
}

func closeInFlightBatch(l *lab) {
	l.meets("WriteBatch", func(b backend.Backend, _ []backend.Fact, caller, n int) error {
		_, err := backend.WriteBatch(l.ctx, b, backend.Batch{Facts: []backend.Fact{by(caller, 1000+2*n), by(caller, 1001+2*n)}})
		return err
	})
}

func closeInFlightPrune(l *lab) {
	l.meets("Prune", func(b backend.Backend, own []backend.Fact, _, n int) error {
		_, err := backend.Prune(l.ctx, b, slices.Values([]uint64{own[n%len(own)].Seq}))
		return err
	})
}

func closeInFlightSnapshot(l *lab) {
	l.meets("WriteSnapshot", func(b backend.Backend, _ []backend.Fact, caller, n int) error {
		if _, err := b.WriteFact(l.ctx, by(caller, 1000+n)); err != nil {
			return err
		}
		return b.WriteSnapshot(l.ctx, 0)
	})
}

func closeInFlightStats(l *lab) {
	l.meets("Stats", func(b backend.Backend, _ []backend.Fact, _, _ int) error {
		_, err := backend.StatsOf(l.ctx, b)
		return err
	})
}

func closed(l *lab) {
	b := l.open()
	l.write(b, facts(3)...)
	loop := b.Replay(l.ctx, 0)
	l.close(b)
	f, err := b.WriteFact(l.ctx, fact(3))
	l.wants("WriteFact after Close", err, backend.ErrClosed)
	l.same("the fact beside the error", []backend.Fact{f}, []backend.Fact{{}})
	_, err = b.WriteFact(l.ctx, fact(0))
	l.wants("WriteFact of a fact that is there, after Close", err, backend.ErrClosed)
	l.wants("WriteSnapshot after Close", b.WriteSnapshot(l.ctx, 0), backend.ErrClosed)
	got, err := collect(loop)
	l.wants("a loop over what Replay returned before Close", err, backend.ErrClosed)
	l.same("the facts before the error", got, nil)
	for _, after := range []uint64{0, 1, 1000} {
		got, err = collect(b.Replay(l.ctx, after))
		l.wants("Replay after Close", err, backend.ErrClosed)
		l.same("the facts before the error", got, nil)
	}
	l.close(b)
}

func closedBatch(l *lab) {
	b := l.open()
	l.write(b, fact(0))
	l.close(b)
	for _, batch := range []backend.Batch{
		{}, {Facts: facts(1)}, {Facts: facts(3)},
		{Expect: []backend.Expect{{Store: "tasks", Key: "t0", ID: fact(0).ID}}},
	} {
		_, err := backend.WriteBatch(l.ctx, b, batch)
		l.wants("WriteBatch after Close", err, backend.ErrClosed)
	}
}

func closedFollow(l *lab) {
	b := l.open()
	l.write(b, facts(3)...)
	loop := backend.Follow(l.ctx, b, 0)
	l.close(b)
	for range 2 {
		got, err := collect(loop)
		l.wants("a loop over what Follow returned before Close", err, backend.ErrClosed)
		l.same("the facts before the error", got, nil)
		loop = backend.Follow(context.WithoutCancel(l.ctx), b, 1, "tasks")
	}
}

func closedPrune(l *lab) {
	b := l.open()
	log := l.write(b, facts(3)...)
	l.close(b)
	for _, seqs := range [][]uint64{nil, {log[0].Seq}} {
		_, err := backend.Prune(l.ctx, b, slices.Values(seqs))
		l.wants("Prune after Close", err, backend.ErrClosed)
	}
}

func closedStats(l *lab) {
	b := l.open()
	l.write(b, fact(0))
	l.close(b)
	_, err := backend.StatsOf(l.ctx, b)
	l.wants("Stats after Close", err, backend.ErrClosed)
}
