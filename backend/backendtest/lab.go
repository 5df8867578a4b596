package backendtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/igniter-store/igniter/backend"
)

// A lab is where one case runs: its test, its log's place, and what it started. Its methods fail
// the case where they can't do what they are asked to; all but start and Context are for the
// case's own goroutine.
type lab struct {
	*guard
	ctx    context.Context // of the whole case, as testing.T has one
	opener Opener
	opts   Options
	needs  need
	dir    string

	opened []backend.Backend
	mu     sync.Mutex
	tasks  []*task
}

// A task is a goroutine of a case.
type task struct {
	done chan struct{}
	err  error // once done is closed
}

// Context returns a context that ends when the case has taken too long.
func (l *lab) Context() context.Context { return l.ctx }

// open opens the case's log.
func (l *lab) open() backend.Backend {
	l.Helper()
	b := l.opener(l, l.dir)
	if b == nil {
		l.Fatalf("the Opener returned nil")
	}
	l.opened = append(l.opened, b)
	if len(l.opened) == 1 {
		l.probe(b)
	}
	return b
}

// probe fails the case if b has not what the case needs, by calls that ask b for nothing.
func (l *lab) probe(b backend.Backend) {
	l.Helper()
	for _, p := range []struct {
		need   need
		option string
		call   func() error
	}{
		{batches, "NoBatch", func() error { _, err := backend.WriteBatch(l.ctx, b, backend.Batch{}); return err }},
		{following, "NoFollow", func() error {
			ctx, cancel := context.WithCancel(l.ctx)
			cancel()
			for _, err := range backend.Follow(ctx, b, math.MaxUint64) {
				return err
			}
			return nil
		}},
		{pruning, "NoPrune", func() error { _, err := backend.Prune(l.ctx, b, slices.Values([]uint64{})); return err }},
		{stating, "NoStats", func() error { _, err := backend.StatsOf(l.ctx, b); return err }},
	} {
		if l.needs&p.need == 0 {
			continue
		}
		if err := p.call(); errors.Is(err, errors.ErrUnsupported) {
			l.Fatalf("%v (if it is meant to lack this, set Options.%s)", err, p.option)
		}
	}
}

// reopen closes b and opens its log again.
func (l *lab) reopen(b backend.Backend) backend.Backend {
	l.Helper()
	l.close(b)
	return l.open()
}

func (l *lab) close(b backend.Backend) {
	l.Helper()
	if err := b.Close(); err != nil {
		l.Fatalf("Close: %v", err)
	}
}

// end ends all that the case started and closes all that it opened.
func (l *lab) end(cancel context.CancelFunc) {
	cancel()
	l.mu.Lock()
	tasks := l.tasks
	l.mu.Unlock()
	for _, t := range tasks {
		<-t.done
	}
	for _, b := range l.opened {
		if err := b.Close(); err != nil {
			l.Errorf("Close: %v", err)
		}
	}
}

// start runs f in a goroutine of its own, which is waited for by join or at the case's end.
func (l *lab) start(f func() error) *task {
	t := &task{done: make(chan struct{})}
	l.mu.Lock()
	l.tasks = append(l.tasks, t)
	l.mu.Unlock()
	go func() {
		defer close(t.done)
		defer func() {
			if p := recover(); p != nil {
				t.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		t.err = f()
	}()
	return t
}

// join waits for the tasks, and fails the case if one reports an error.
func (l *lab) join(tasks ...*task) {
	l.Helper()
	for _, t := range tasks {
		<-t.done
	}
	for _, t := range tasks {
		if t.err != nil {
			l.Errorf("%v", t.err)
		}
	}
	if l.Failed() {
		l.FailNow()
	}
}

// write writes facts one after the other, and returns them as b does.
func (l *lab) write(b backend.Backend, facts ...backend.Fact) []backend.Fact {
	l.Helper()
	held := make([]backend.Fact, len(facts))
	for i, f := range facts {
		var err error
		if held[i], err = b.WriteFact(l.ctx, f); err != nil {
			l.Fatalf("WriteFact of %q: %v", f.ID, err)
		}
	}
	return held
}

// batch writes facts at once, and returns them as b does.
func (l *lab) batch(b backend.Backend, facts []backend.Fact, expect ...backend.Expect) []backend.Fact {
	l.Helper()
	held, err := backend.WriteBatch(l.ctx, b, backend.Batch{Facts: facts, Expect: expect})
	if err != nil {
		l.Fatalf("WriteBatch: %v", err)
	}
	if len(held) != len(facts) {
		l.Fatalf("WriteBatch of %d facts returned %d", len(facts), len(held))
	}
	return held
}

// replay returns all the facts that b yields after seq after.
func (l *lab) replay(b backend.Backend, after uint64) []backend.Fact {
	l.Helper()
	facts, err := collect(b.Replay(l.ctx, after))
	if err != nil {
		l.Fatalf("Replay after %d: %v", after, err)
	}
	return facts
}

func (l *lab) snapshot(b backend.Backend, through uint64) {
	l.Helper()
	if err := b.WriteSnapshot(l.ctx, through); err != nil {
		l.Fatalf("WriteSnapshot through %d: %v", through, err)
	}
}

func (l *lab) prune(b backend.Backend, seqs ...uint64) backend.PruneReport {
	l.Helper()
	report, err := backend.Prune(l.ctx, b, slices.Values(seqs))
	if err != nil {
		l.Fatalf("Prune of %d: %v", seqs, err)
	}
	return report
}

func (l *lab) stats(b backend.Backend) backend.Stats {
	l.Helper()
	s, err := backend.StatsOf(l.ctx, b)
	if err != nil {
		l.Fatalf("Stats: %v", err)
	}
	return s
}

// holds fails the case unless b's log is want.
func (l *lab) holds(b backend.Backend, want []backend.Fact) {
	l.Helper()
	l.same("the log", l.replay(b, 0), want)
}

// same fails the case unless got and want are the same facts, in the same order.
func (l *lab) same(what string, got, want []backend.Fact) {
	l.Helper()
	if d := diff(got, want); d != "" {
		l.Fatalf("%s is not as it should be (-want +got):\n%s", what, d)
	}
}

// wants fails the case unless err is target.
func (l *lab) wants(what string, err, target error) {
	l.Helper()
	if !errors.Is(err, target) {
		l.Fatalf("%s: error %v, want %v", what, err, target)
	}
}

// walk runs a loop over seq with the given body, which breaks by returning false. It returns the
// error that ended the loop, or says how seq broke the rules of loops.
func walk(seq iter.Seq2[backend.Fact, error], body func(backend.Fact) bool) error {
	var end, broken error
	over := ""
	seq(func(f backend.Fact, err error) bool {
		switch {
		case over != "":
			broken = fmt.Errorf("the loop went on after %s", over)
			return false
		case err != nil:
			over, end = "an error", err
			if !equal(f, backend.Fact{}) {
				broken = fmt.Errorf("the error %q came with a fact that is not zero: %q", err, f.ID)
			}
		case !body(f):
			over = "a break"
			return false
		}
		return true
	})
	if broken != nil {
		return broken
	}
	return end
}

func collect(seq iter.Seq2[backend.Fact, error]) ([]backend.Fact, error) {
	var facts []backend.Fact
	err := walk(seq, func(f backend.Fact) bool {
		facts = append(facts, f)
		return true
	})
	return facts, err
}

// take returns the first n facts of seq, or those before an error, which says how many there were.
func take(seq iter.Seq2[backend.Fact, error], n int) ([]backend.Fact, error) {
	var facts []backend.Fact
	err := walk(seq, func(f backend.Fact) bool {
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
