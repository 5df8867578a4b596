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
	return []testCase{
		{"close-twice", 0, "Closing again returns nil.", closeTwice},
		{"close-in-flight", 0, "Calls in flight either finish or report ErrClosed.", closeInFlight},
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
