package backendtest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sort"

	"github.com/igniter-store/igniter/backend"
)

// next returns the first fact after seq after, and what to wait for where there is none.
func (n *naive) next(after uint64) (f backend.Fact, ok bool, changed chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	facts := n.facts
	if n.bug == "acknowledges before a fact is visible" {
		facts = facts[:min(n.visible, len(facts))]
	}
	i := sort.Search(len(facts), func(i int) bool { return facts[i].Seq > after })
	if n.bug == "swaps two" { // its log is not sorted
		if i = slices.IndexFunc(facts, func(f backend.Fact) bool { return f.Seq > after }); i < 0 {
			i = len(facts)
		}
	}
	if i == len(facts) {
		return backend.Fact{}, false, n.changed
	}
	f = facts[i]
	if n.bug == "a loop hands out its memory" {
		return f, true, n.changed
	}
	return f.Clone(), true, n.changed
}

func (n *naive) Replay(ctx context.Context, from uint64) iter.Seq2[backend.Fact, error] {
	switch n.bug {
	case "Replay ignores its seq":
		from = 0
	case "Replay is off by one":
		from = max(from, 1) - 1
	}
	used := false
	return func(yield func(backend.Fact, error) bool) {
		if n.bug == "Replay works once" && used {
			return
		}
		used = true
		if n.bug == "Replay holds a lock" {
			n.mu.Lock()
			defer n.mu.Unlock()
			for _, f := range n.facts {
				if f.Seq > from && !yield(f.Clone(), nil) {
					return
				}
			}
			return
		}
		n.loop(ctx, from, yield)
	}
}

func (n *naive) loop(ctx context.Context, last uint64, yield func(backend.Fact, error) bool) {
	n.mu.Lock()
	gen, empty := n.gen, len(n.facts) == 0
	n.mu.Unlock()
	if empty && n.bug == "an empty log is an error" {
		yield(backend.Fact{}, errors.New("nothing there"))
		return
	}
	for i := 0; ; i++ {
		if err := n.ready(ctx); err != nil && n.bug != "ignores ctx" {
			switch {
			case n.bug == "a cancelled loop ends silently" && ctx.Err() != nil && i > 0,
				n.bug == "Close ends loops silently" && ctx.Err() == nil && i > 0:
				return
			case n.bug == "an error comes with a fact":
				yield(backend.Fact{ID: "?"}, err)
				return
			case n.bug == "a loop goes on after an error" && !yield(backend.Fact{}, err):
				return
			case n.bug != "a loop goes on after an error":
				yield(backend.Fact{}, err)
				return
			}
		}
		f, ok, _ := n.next(last)
		if n.bug == "a loop counts places" { // which pruning moves
			n.mu.Lock()
			if ok = i < len(n.facts); ok {
				f = n.facts[i]
			}
			n.mu.Unlock()
		}
		n.mu.Lock()
		moved := n.gen != gen
		n.mu.Unlock()
		if !ok || moved && n.bug == "a snapshot ends loops" {
			return
		}
		if !yield(f, nil) && n.bug != "Replay goes on after a break" {
			return
		}
		last = f.Seq
	}
}

func (n *naive) ReplayStores(ctx context.Context, from uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		for f, err := range n.Replay(ctx, from) {
			if err != nil && n.bug == "ReplayStores ends silently" {
				return
			}
			wanted := n.bug == "ReplayStores ignores stores" || slices.Contains(stores, f.Store)
			if (err != nil || wanted) && !yield(f, err) {
				return
			}
		}
	}
}

func (n *naive) Follow(ctx context.Context, from uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	switch n.bug {
	case "Follow ignores its seq":
		from = 0
	case "Follow is off by one":
		from = max(from, 1) - 1
	case "Follow ignores stores":
		stores = nil
	}
	used := false
	return func(yield func(backend.Fact, error) bool) {
		if n.bug == "Follow works once" && used {
			return
		}
		used = true
		n.follow(ctx, from, stores, yield)
	}
}

func (n *naive) follow(ctx context.Context, from uint64, stores []string, yield func(backend.Fact, error) bool) {
	last := from
	n.mu.Lock()
	gen := n.gen
	n.mu.Unlock()
	live := false
	for {
		if err := n.ready(ctx); err != nil {
			if n.bug != "a cancelled follower ends silently" || ctx.Err() == nil {
				yield(backend.Fact{}, err)
			}
			return
		}
		n.mu.Lock()
		moved := n.gen != gen
		gen = n.gen
		held := slices.ContainsFunc(n.facts, func(f backend.Fact) bool { return f.Seq == last })
		end := n.last
		n.mu.Unlock()
		if moved && n.bug == "a snapshot makes followers begin again" {
			last = from
		}
		f, ok, changed := n.next(last)
		if n.bug == "a follower waits for one more" {
			if _, more, _ := n.next(f.Seq); !more {
				ok = false
			}
		}
		if n.bug == "a follower after a pruned seq gets nothing" && !held && last > 0 {
			ok = false
		}
		if !ok {
			if n.bug == "misses what comes between history and live" && !live {
				n.mu.Lock()
				n.yields()
				last = n.last
				n.mu.Unlock()
			}
			if n.bug == "repeats the last of history" && !live && last > 0 {
				last--
			}
			live = true
			if !n.wait(ctx, changed, len(stores) > 0) {
				return
			}
			continue
		}
		switch {
		case n.bug == "leaves a slow follower behind" && end > last+1000:
			last = end - 1000
			continue
		case n.bug == "sees one fact of a batch" && live:
			f, _, _ = n.next(end - 1)
		}
		last = f.Seq
		if len(stores) > 0 && !slices.Contains(stores, f.Store) {
			continue
		}
		if !n.hand(f, yield) {
			return
		}
	}
}

// hand runs the body of a follower's loop.
func (n *naive) hand(f backend.Fact, yield func(backend.Fact, error) bool) bool {
	if n.bug == "Follow holds a lock" {
		n.mu.Lock()
		defer n.mu.Unlock()
	}
	return yield(f, nil)
}

// wait waits for a change, and returns false if the follower is to end without a word.
func (n *naive) wait(ctx context.Context, changed chan struct{}, filtered bool) bool {
	done := ctx.Done()
	if n.bug == "ignores ctx while it waits" || n.bug == "ignores ctx while it waits for stores" && filtered {
		done = nil
	}
	select {
	case <-changed:
	case <-done:
	case <-n.done:
		return n.bug != "a follower ends silently on Close"
	}
	return true
}
