package backendtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// replayCases are about Replay's loops.
func replayCases() []testCase {
	return []testCase{
		{"replay-empty", 0, "Replay yields the facts after seq after; an empty log has none, and may be consolidated.", replayEmpty},
		{"replay-after", 0, "Replay yields the facts after seq after. An after beyond the last seq yields nothing.", replayAfter},
		{"replay-stores", 0, "ReplayStores yields the facts of the stores after seq after. Other than that, the rules of Replay hold.", replayStores},
		{"replay-body", 0, "The loop's body may call any method, Close excepted, and no lock is held while it runs.", replayBody},
		{"replay-body-others", 0, "No lock is held while the loop's body runs: others go on meanwhile.", replayBodyOthers},
		{"replay-break", 0, "A loop over Replay may be left at any fact, and nothing of it goes on.", replayBreak},
		{"replay-anew", 0, "Each use of what Replay returned starts anew.", replayAnew},
		{"replay-resume", 0, "Seq is a cursor: Replay after the seq of the last fact seen yields the next one.", replayResume},
		{"replay-cancelled", 0, "The zero Fact and an error, ctx's too, end the loop.", replayCancelled},
		{"replay-cancelled-in-body", 0, "The zero Fact and an error, ctx's too, end the loop, and it may be left before that.", replayCancelledInBody},
	}
}

func replayEmpty(l *lab) {
	b := l.open()
	for range 2 {
		for _, after := range []uint64{0, 1, 1000, math.MaxUint64} {
			l.same("the empty log", l.replay(b, after), nil)
		}
		l.snapshot(b, 0)
		l.snapshot(b, 5)
	}
	l.holds(b, l.write(b, fact(0)))
}

// after returns the facts of log with a seq above after.
func after(log []backend.Fact, seq uint64) []backend.Fact {
	for i, f := range log {
		if f.Seq > seq {
			return log[i:]
		}
	}
	return nil
}

// cursors returns every seq of log, and those around them.
func cursors(log []backend.Fact) []uint64 {
	list := []uint64{0}
	for _, f := range log {
		list = append(list, f.Seq-1, f.Seq, f.Seq+1)
	}
	return append(list, log[len(log)-1].Seq+1000, math.MaxInt64, math.MaxUint64)
}

func replayAfter(l *lab) {
	b := l.open()
	log := l.write(b, facts(25)...)
	for _, seq := range cursors(log) {
		l.same("a part of the log", l.replay(b, seq), after(log, seq))
	}
}

func replayStores(l *lab) {
	b := l.open()
	var given []backend.Fact
	for i := range 40 {
		given = append(given, of(fact(i).ID, []string{"a", "b", "c", "ab"}[i%4], "k", "1"))
	}
	log := l.write(b, given...)
	for _, stores := range [][]string{nil, {"a"}, {"ab"}, {"a", "c"}, {"b", "none"}, {"none"}, {"a", "b", "c", "ab"}, {"c", "c"}} {
		for _, seq := range []uint64{0, log[9].Seq, log[10].Seq, log[39].Seq, math.MaxUint64} {
			var want []backend.Fact
			for _, f := range after(log, seq) {
				if slices.Contains(stores, f.Store) {
					want = append(want, f)
				}
			}
			got, err := collect(backend.ReplayStores(l.ctx, b, seq, stores...))
			if err != nil {
				l.Fatalf("ReplayStores %q after %d: %v", stores, seq, err)
			}
			l.same(fmt.Sprintf("what was replayed of stores %q after %d", stores, seq), got, want)
		}
	}
	if got, err := take(backend.ReplayStores(l.ctx, b, 0, "a"), 3); err != nil || len(got) != 3 {
		l.Fatalf("a loop that is left after 3 facts: %d facts, %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(l.ctx)
	cancel()
	_, err := collect(backend.ReplayStores(ctx, b, 0, "a"))
	l.wants("ReplayStores with a cancelled context", err, context.Canceled)
}

func replayBody(l *lab) {
	b := l.open()
	log := l.write(b, facts(10)...)
	seen := 0
	err := walk(b.Replay(l.ctx, 0), func(f backend.Fact) bool {
		if seen < len(log) {
			l.same("the fact in the body", []backend.Fact{f}, log[seen:seen+1])
		}
		if seen < 10 {
			log = append(log, l.write(b, fact(10+seen))...)
			l.holds(b, log)
			l.snapshot(b, 0)
			l.same("a fact written again in the body", l.write(b, fact(seen)), log[seen:seen+1])
		}
		seen++
		return seen < 1000
	})
	if err != nil {
		l.Fatalf("Replay: %v", err)
	}
	if seen < 10 || seen > 20 {
		l.Fatalf("the loop yielded %d facts; 10 were there when it began, 20 when it ended", seen)
	}
	l.holds(b, log)
}

func replayBodyOthers(l *lab) {
	b := l.open()
	log := l.write(b, facts(3)...)
	first := true
	all, err := collect(func(yield func(backend.Fact, error) bool) {
		for f, err := range b.Replay(l.ctx, 0) {
			if first {
				first = false
				l.join(l.start(func() error {
					f, err := b.WriteFact(l.ctx, fact(3))
					log = append(log, f)
					return err
				}), l.start(func() error {
					return walk(b.Replay(l.ctx, 0), func(backend.Fact) bool { return true })
				}), l.start(func() error {
					return b.WriteSnapshot(l.ctx, 0)
				}))
			}
			if !yield(f, err) {
				return
			}
		}
	})
	if err != nil || len(all) < 3 {
		l.Fatalf("Replay yielded %d facts and error %v", len(all), err)
	}
	l.same("the loop", all, log[:len(all)])
	l.holds(b, log)
}

func replayBreak(l *lab) {
	b := l.open()
	log := l.write(b, facts(10)...)
	for n := 1; n <= len(log); n++ {
		got, err := take(b.Replay(l.ctx, 0), n)
		if err != nil {
			l.Fatalf("a loop left at fact %d: %v", n, err)
		}
		l.same("a loop that was left", got, log[:n])
	}
	log = append(log, l.write(b, fact(10))...)
	l.holds(b, log)
}

func replayAnew(l *lab) {
	b := l.open()
	log := l.write(b, facts(5)...)
	loop := b.Replay(l.ctx, log[1].Seq)
	for i := range 3 {
		if _, err := take(loop, 1); err != nil {
			l.Fatalf("Replay: %v", err)
		}
		all, err := collect(loop)
		if err != nil {
			l.Fatalf("Replay: %v", err)
		}
		l.same("one more use of the same loop", all, log[2:])
		log = append(log, l.write(b, fact(5+i))...)
	}
	err := walk(loop, func(f backend.Fact) bool { // inside itself
		all, err := collect(loop)
		if err != nil {
			l.Fatalf("Replay: %v", err)
		}
		l.same("the loop inside itself", all, log[2:])
		return true
	})
	if err != nil {
		l.Fatalf("Replay: %v", err)
	}
}

func replayResume(l *lab) {
	b := l.open()
	log := l.write(b, facts(10)...)
	last := uint64(0)
	var all []backend.Fact
	for range log {
		got, err := take(b.Replay(l.ctx, last), 1)
		if err != nil {
			l.Fatalf("Replay after %d: %v", last, err)
		}
		last = got[0].Seq
		all = append(all, got...)
	}
	l.same("the facts of a loop resumed at each", all, log)
	l.same("what is after the last", l.replay(b, last), nil)
}

func replayCancelled(l *lab) {
	b := l.open()
	log := l.write(b, facts(20)...)
	ctx, cancel := context.WithCancel(l.ctx)
	loop := b.Replay(ctx, 0)
	cancel()
	for range 2 {
		got, err := collect(loop)
		l.wants("Replay with a cancelled context", err, context.Canceled)
		l.same("the facts before the error", got, log[:len(got)])
	}
	l.wants("WriteSnapshot with a cancelled context", onlyError(b.WriteSnapshot(ctx, 0)), context.Canceled)
	l.holds(b, log)
}

// onlyError lets a call with nothing to do succeed: it has not looked at its context.
func onlyError(err error) error {
	if err == nil {
		return context.Canceled
	}
	return err
}

func replayCancelledInBody(l *lab) {
	b := l.open()
	log := l.write(b, facts(200)...)
	for _, n := range []int{1, 2, 100, 199, 200} {
		for _, leave := range []bool{true, false} {
			ctx, cancel := context.WithCancel(l.ctx)
			var got []backend.Fact
			err := walk(b.Replay(ctx, 0), func(f backend.Fact) bool {
				got = append(got, f)
				if len(got) == n {
					cancel()
				}
				return len(got) < n || !leave
			})
			cancel()
			switch {
			case err == nil && len(got) < len(log) && !leave:
				l.Fatalf("cancelled at fact %d of %d, the loop ended at %d without an error", n, len(log), len(got))
			case err != nil && (leave || !errors.Is(err, context.Canceled)):
				l.Fatalf("cancelled at fact %d, left: %v: error %v", n, leave, err)
			case leave && len(got) != n:
				l.Fatalf("cancelled and left at fact %d, the loop yielded %d", n, len(got))
			}
			l.same("the facts before the end", got, log[:len(got)])
		}
	}
	l.holds(b, log)
}
