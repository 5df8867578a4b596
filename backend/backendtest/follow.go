package backendtest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// followCases are about Follow.
func followCases() []testCase {
	return []testCase{
		{"follow", following, "Follow yields the facts after seq after, then each new one as it is acknowledged, in order, with no gap and no repeat.", follow},
		{"follow-live", following, "Follow yields each new fact as it is acknowledged: it waits for no later one.", followLive},
		{"follow-after", following, "Follow yields the facts after seq after, and no others.", followAfter},
		{"follow-stores", following, "With stores, Follow yields only theirs.", followStores},
		{"follow-batch", following | batches, "Follow yields the facts of a batch like any others: in order, with no gap and no repeat.", followBatch},
		{"follow-slow", following, "A slow reader costs the writer nothing: it is served from the log, not from a queue.", followSlow},
		{"follow-resume", following, "Seq is a cursor: Follow after the seq of the last fact seen yields the next one.", followResume},
		{"follow-anew", following, "The rules of Replay for pairs hold: each use starts anew, and a loop that is left is over.", followAnew},
		{"follow-body", following, "The rules of Replay for bodies hold: the body may call any method, Close excepted, and no lock is held while it runs.", followBody},
	}
}

// followed starts a follower that ends after n facts, and keeps them in the slice it returns.
func (l *lab) followed(b backend.Backend, after uint64, n int, stores ...string) (*task, *[]backend.Fact) {
	var got []backend.Fact
	return l.start(func() (err error) {
		if got, err = take(backend.Follow(l.ctx, b, after, stores...), n); err != nil {
			err = fmt.Errorf("a follower after %d, of stores %q: %w", after, stores, err)
		}
		return err
	}), &got
}

func follow(l *lab) {
	b := l.open()
	l.write(b, facts(10)...)
	const n = 50
	var followers []*task
	var got []*[]backend.Fact
	more := func() {
		for range 3 {
			t, facts := l.followed(b, 0, 10+writers*n)
			followers, got = append(followers, t), append(got, facts)
		}
	}
	more()
	tasks, _ := l.writing(b, n)
	more()
	for range 4 { // each begins at another moment
		l.replay(b, 0)
		more()
	}
	l.join(tasks...)
	more()
	l.join(followers...)
	log := l.replay(b, 0)
	for _, facts := range got {
		l.same("what was followed, compared with the log,", *facts, log)
	}
	for round := range 60 { // facts come at the moment when there is no more history
		last := log[len(log)-1].Seq
		follower, got := l.followed(b, last, 4)
		two := func(w int) *task {
			return l.start(func() error {
				for i := range 2 {
					if _, err := b.WriteFact(l.ctx, by(w, n+2*round+i)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		l.join(two(0), two(1), follower)
		log = l.replay(b, last)
		l.same("what was followed from the end of the log, compared with it,", *got, log)
	}
}

func followLive(l *lab) {
	b := l.open()
	w := l.watch(b, 20)
	for i := range 20 {
		w.sees(l.write(b, fact(i)))
	}
	l.join(w.task)
}

// A watcher is a follower whose facts are asked for one by one.
type watcher struct {
	*task
	l    *lab
	seen chan backend.Fact
}

// watch follows the whole log for n facts.
func (l *lab) watch(b backend.Backend, n int) *watcher {
	w := &watcher{l: l, seen: make(chan backend.Fact)}
	w.task = l.start(func() error {
		i := 0
		return walk(backend.Follow(l.ctx, b, 0), func(f backend.Fact) bool {
			select {
			case w.seen <- f:
			case <-l.ctx.Done():
			}
			i++
			return i < n
		})
	})
	return w
}

// sees fails the case unless the facts, which were acknowledged, are those that come next.
func (w *watcher) sees(facts []backend.Fact) {
	w.l.Helper()
	for _, want := range facts {
		select {
		case f := <-w.seen:
			w.l.same("what was followed", []backend.Fact{f}, []backend.Fact{want})
		case <-w.done:
			w.l.Fatalf("the follower ended before fact %q: %v", want.ID, w.err)
		case <-w.l.ctx.Done():
			w.l.Fatalf("fact %q was written and acknowledged, but not followed", want.ID)
		}
	}
}

func followAfter(l *lab) {
	b := l.open()
	log := l.write(b, facts(6)...)
	last := log[5].Seq
	for _, seq := range []uint64{0, log[0].Seq, log[3].Seq, log[4].Seq} {
		rest := after(log, seq)
		got, err := take(backend.Follow(l.ctx, b, seq), len(rest))
		if err != nil {
			l.Fatalf("Follow after %d: %v", seq, err)
		}
		l.same("what was followed", got, rest)
	}
	atLast, fromLast := l.followed(b, last, 3)
	beyond, fromBeyond := l.followed(b, last+2, 1) // seqs not given yet
	ctx, cancel := context.WithCancel(l.ctx)
	never := l.start(func() error {
		got, err := collect(backend.Follow(ctx, b, math.MaxUint64))
		if len(got) > 0 {
			return fmt.Errorf("a follower after the highest seq there can be got %q (error %w)", got[0].ID, err)
		}
		return nil
	})
	for n := 6; n < 9 || log[len(log)-1].Seq <= last+2; n++ {
		log = append(log, l.write(b, fact(n))...)
	}
	l.join(atLast, beyond)
	cancel()
	l.join(never)
	l.same("what was followed after the last seq", *fromLast, log[6:9])
	l.same("what was followed after a seq not given yet", *fromBeyond, after(log, last+2)[:1])
}

func followStores(l *lab) {
	b := l.open()
	name := func(i int) backend.Fact {
		return of(fact(i).ID, []string{"a", "b", "c", "ab"}[i%4], "k", "1")
	}
	var given []backend.Fact
	for i := range 40 {
		given = append(given, name(i))
	}
	log := l.write(b, given[:20]...)
	lists := [][]string{{"a"}, {"ab"}, {"a", "c"}, {"b", "none"}, {"a", "b", "c", "ab"}, {"c", "c"}}
	var tasks []*task
	var got []*[]backend.Fact
	want := func(stores []string) (part []backend.Fact) {
		for _, f := range log {
			if slices.Contains(stores, f.Store) {
				part = append(part, f)
			}
		}
		return part
	}
	for _, stores := range lists {
		// Twice what is there by now, since the second half is like the first.
		t, facts := l.followed(b, 0, 2*len(want(stores)), stores...)
		tasks, got = append(tasks, t), append(got, facts)
	}
	log = append(log, l.write(b, given[20:]...)...)
	l.join(tasks...)
	for i, stores := range lists {
		l.same(fmt.Sprintf("what was followed of stores %q", stores), *got[i], want(stores))
	}
}

func followBatch(l *lab) {
	b := l.open()
	w := l.watch(b, 101)
	w.sees(l.write(b, fact(0)))
	for i := range 20 {
		w.sees(l.batch(b, facts(5*i + 6)[5*i+1:]))
	}
	l.join(w.task)
	_, err := take(backend.Follow(l.ctx, b, 0), 101)
	l.wants("Follow of what is there", err, nil)
}

func followSlow(l *lab) {
	b := l.open()
	first, release := make(chan struct{}), make(chan struct{})
	const n = 200
	var got []backend.Fact
	slow := l.start(func() error {
		err := walk(backend.Follow(l.ctx, b, 0), func(f backend.Fact) bool {
			if len(got) == 0 {
				close(first)
				select {
				case <-release:
				case <-l.ctx.Done():
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
	l.write(b, fact(0))
	select {
	case <-first:
	case <-slow.done:
		l.Fatalf("the follower ended before its first fact: %v", slow.err)
	case <-l.ctx.Done():
		l.Fatalf("a fact was written and acknowledged, but not followed")
	}
	text := strings.Repeat("x", 2000)
	var tasks []*task
	for w := range writers {
		tasks = append(tasks, l.start(func() error {
			for i := range n {
				f := by(w, i)
				f.Value = fmt.Appendf(nil, `{"text":%q}`, text)
				if _, err := b.WriteFact(l.ctx, f); err != nil {
					return fmt.Errorf("writer %d, fact %d, while a follower does not go on: %w", w, i, err)
				}
			}
			return nil
		}))
	}
	l.join(tasks...) // all of them, with the follower still in the body of its first fact
	close(release)
	l.join(slow)
	l.same("what a slow follower saw", got, l.replay(b, 0))
}

func followResume(l *lab) {
	b := l.open()
	const n = 25
	tasks, _ := l.writing(b, n)
	var all []backend.Fact
	last := uint64(0)
	for len(all) < writers*n {
		got, err := take(backend.Follow(l.ctx, b, last), min(1+len(all)%7, writers*n-len(all)))
		if err != nil {
			l.Fatalf("Follow after %d, resumed: %v", last, err)
		}
		all = append(all, got...)
		last = all[len(all)-1].Seq
	}
	l.join(tasks...)
	l.same("what was followed by loops that were left and resumed", all, l.replay(b, 0))
}

func followAnew(l *lab) {
	b := l.open()
	log := l.write(b, facts(5)...)
	loop := backend.Follow(l.ctx, b, log[0].Seq)
	for i := range 3 {
		for n := 1; n < len(log); n++ {
			got, err := take(loop, n)
			if err != nil {
				l.Fatalf("Follow: %v", err)
			}
			l.same("one more use of the same loop", got, log[1:n+1])
		}
		log = append(log, l.write(b, fact(5+i))...)
	}
}

func followBody(l *lab) {
	b := l.open()
	log := l.write(b, facts(10)...)
	seen := 0
	err := walk(backend.Follow(l.ctx, b, 0), func(f backend.Fact) bool {
		l.same("the fact in the body", []backend.Fact{f}, log[seen:seen+1])
		if seen < 10 {
			log = append(log, l.write(b, fact(10+seen))...)
			l.holds(b, log)
			l.snapshot(b, 0)
			if _, err := take(backend.Follow(l.ctx, b, 0), len(log)); err != nil {
				l.Fatalf("Follow in the body of Follow: %v", err)
			}
		}
		seen++
		return seen < 20
	})
	if err != nil || seen != 20 {
		l.Fatalf("Follow yielded %d facts of 20, error %v", seen, err)
	}
}
