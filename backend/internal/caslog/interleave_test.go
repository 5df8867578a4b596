// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// soak is how many times longer the tests of interleavings run.
func soak() int {
	if os.Getenv("IGNITER_SOAK") != "" {
		return 50
	}
	return 1
}

// A chooser makes the choices of one run: it follows a path through all choices, or, if random is set, chooses at random.
type chooser struct {
	random *rand.Rand
	path   []int
	of     []int // the number of alternatives of each choice
	at     int
}

func (c *chooser) choose(n int) int {
	if n <= 1 {
		return 0
	}
	if c.random != nil {
		return c.random.IntN(n)
	}
	if c.at == len(c.path) {
		c.path, c.of = append(c.path, 0), append(c.of, n)
	}
	c.at++
	return min(c.path[c.at-1], n-1)
}

// next moves to the next path, and reports whether there is one.
func (c *chooser) next() bool {
	c.at = 0
	for i := len(c.path) - 1; i >= 0; i-- {
		if c.path[i]++; c.path[i] < c.of[i] {
			c.path, c.of = c.path[:i+1], c.of[:i+1]
			return true
		}
	}
	return false
}

// A world runs processes over one store. Their calls of the port wait until the world lets them continue, one after the
// other.
type world struct {
	t       *testing.T
	choice  *chooser
	faults  []fault // that an append may have
	left    int     // the number of faults still allowed
	reads   bool    // reads may end early and skip, too
	indexes bool    // indexes are written, too
	seed    uint64
	store   *store
	history sync.Mutex

	mu    sync.Mutex
	gated bool
	calls []*gatedCall
}

type gatedCall struct {
	process int
	op      string
	how     chan fault
}

// hook returns the hook of a process.
func (w *world) hook(process int) func(context.Context, string) fault {
	return func(ctx context.Context, op string) fault {
		w.mu.Lock()
		if !w.gated || op != "append" && op != "deliver" && op != "late" && op != "erase" {
			w.mu.Unlock()
			return fine
		}
		c := &gatedCall{process, op, make(chan fault, 1)}
		w.calls = append(w.calls, c)
		w.mu.Unlock()
		select {
		case how := <-c.how:
			return how
		case <-ctx.Done():
			w.mu.Lock()
			w.calls = slices.DeleteFunc(w.calls, func(other *gatedCall) bool { return other == c })
			w.mu.Unlock()
			return failed
		}
	}
}

// run lets calls go on, one after the other, until all tasks are done.
func (w *world) run(tasks *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		tasks.Wait()
		close(done)
	}()
	for idle := 0; ; {
		synctest.Wait()
		select {
		case <-done:
			return
		default:
		}
		w.mu.Lock()
		calls := slices.Clone(w.calls)
		w.mu.Unlock()
		if len(calls) == 0 {
			if idle++; idle > 100_000 {
				w.t.Error("the processes do not get on")
				return
			}
			time.Sleep(time.Millisecond)
			continue
		}
		slices.SortStableFunc(calls, func(a, b *gatedCall) int { return a.process - b.process })
		c, how := calls[w.choice.choose(len(calls))], fine
		if w.left > 0 {
			switch {
			case c.op == "append":
				how = append([]fault{fine}, w.faults...)[w.choice.choose(1+len(w.faults))]
			case c.op == "deliver" && w.reads:
				how = []fault{fine, fine, early, skip, failed}[w.choice.choose(5)]
			}
			if how != fine {
				w.left--
			}
		}
		w.mu.Lock()
		w.calls = slices.DeleteFunc(w.calls, func(other *gatedCall) bool { return other == c })
		w.mu.Unlock()
		c.how <- how
	}
}

// open opens the log of a process.
func (w *world) open(process int) *Log {
	l, err := Open(w.t.Context(), w.store.port(w.hook(process)), Options{})
	require.NoError(w.t, err)
	return l
}

// An increment is an acknowledged fact, and the previous one.
type increment struct {
	fact   backend.Fact
	before string
	fresh  bool
}

// increase writes a fact of the only key, and expects the key's latest fact to be the last one seen.
func increase(ctx context.Context, l *Log, id, seen string) (increment, error) {
	f := backend.Fact{ID: id, Store: "s", Key: "k", Value: []byte("1")}
	for {
		written := l.Write(ctx, backend.Batch{Facts: []backend.Fact{f, {ID: id + "+", Store: "s", Key: id, Value: []byte("2")}},
			Expect: []backend.Expect{{Store: "s", Key: "k", ID: seen}}})[0]
		var conflict *backend.ConflictError
		switch {
		case errors.As(written.Err, &conflict):
			if conflict.Latest == seen {
				return increment{}, fmt.Errorf("a conflict with what was expected: %w", conflict)
			}
			seen = conflict.Latest
		case written.Err != nil:
			return increment{}, written.Err
		default:
			return increment{written.Facts[0], seen, written.First != 0}, nil
		}
	}
}

// check fails the test unless the store has exactly the acknowledged facts, in one chain, without a gap.
func (w *world) check(acked []increment, logs []*Log) {
	fresh, err := Open(w.t.Context(), w.store.port(nil), Options{})
	require.NoError(w.t, err)
	facts := replay(w.t, fresh)
	require.Len(w.t, facts, 2*len(acked))
	latest, at, last := "", map[string]backend.Fact{}, time.Time{}
	for i, f := range facts {
		require.Equal(w.t, uint64(i+1), f.Seq)
		require.False(w.t, f.TransactionTime.Before(last))
		last = f.TransactionTime
		if f.Key == "k" {
			require.Equal(w.t, latest, f.Causation)
			latest = f.ID
		} else {
			require.Equal(w.t, latest+"+", f.ID, "a batch stays together")
		}
		at[f.ID] = f
	}
	for _, a := range acked {
		require.Equal(w.t, at[a.fact.ID], a.fact)
		require.Equal(w.t, a.before, a.fact.Causation, "the expectation held")
	}
	for _, l := range logs {
		require.Equal(w.t, facts, replay(w.t, l))
	}
	require.NoError(w.t, fresh.Close())
}

func replay(t testing.TB, l *Log) []backend.Fact {
	var facts []backend.Fact
	for p, err := range l.Replay(t.Context(), backend.Range{}) {
		require.NoError(t, err)
		facts = append(facts, p.Facts...)
	}
	return facts
}

// writers runs some processes, each of which writes some increments, and checks the log.
func (w *world) writers(processes, each int) {
	synctest.Test(w.t, func(t *testing.T) {
		outer := w.t
		defer func() { w.t = outer }()
		w.t = t
		w.store, w.gated, w.calls = newStore(backend.LogID{1}, nil), false, nil
		var logs []*Log
		for i := range processes {
			logs = append(logs, w.open(i))
		}
		if w.choice.random != nil {
			defer func() {
				if t.Failed() {
					t.Logf("IGNITER_SEED=%d", w.seed)
				}
			}()
		}
		w.setGated(true)
		var tasks sync.WaitGroup
		var acked []increment
		for i, l := range logs {
			tasks.Go(func() {
				seen := ""
				for n := range each {
					inc, err := increase(t.Context(), l, fmt.Sprintf("%d-%d", i, n), seen)
					if err != nil {
						t.Errorf("process %d: %v", i, err)
						return
					}
					seen = inc.fact.ID
					w.history.Lock()
					acked = append(acked, inc)
					w.history.Unlock()
				}
			})
		}
		if w.indexes {
			tasks.Go(func() {
				for range 2 {
					if err := logs[0].WriteSnapshot(t.Context(), 0); err != nil {
						t.Errorf("write index: %v", err)
					}
				}
			})
		}
		w.run(&tasks)
		w.setGated(false)
		if !t.Failed() {
			w.check(acked, logs)
		}
		for _, l := range logs {
			require.NoError(t, l.Close())
		}
	})
}

// setGated sets whether calls wait, and lets waiting calls continue.
func (w *world) setGated(gated bool) {
	w.mu.Lock()
	w.gated = gated
	for _, c := range w.calls {
		c.how <- fine
	}
	w.calls = nil
	w.mu.Unlock()
}

// TestAllInterleavings runs two processes in every order of their appends and answers, with every fault at every append.
func TestAllInterleavings(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string][]fault{"fine": nil, "lost": {lost}, "late": {late}, "failed": {failed}, "indexes": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			choice, runs := &chooser{}, 0
			for more := true; more && runs < 2000*soak() && !t.Failed(); more = choice.next() {
				w := &world{t: t, choice: choice, faults: faults, left: 1, indexes: name == "indexes"}
				w.writers(2, 1)
				runs++
			}
			t.Logf("%d runs; the last path is %v", runs, choice.path)
		})
	}
}

// TestRandomInterleavings runs two and three processes in random orders, with several faults.
func TestRandomInterleavings(t *testing.T) {
	t.Parallel()
	first := uint64(1)
	if text := os.Getenv("IGNITER_SEED"); text != "" {
		first, _ = strconv.ParseUint(text, 10, 64)
	}
	runs := 150 * soak()
	for n := range uint64(runs) {
		seed := first + n
		w := &world{t: t, seed: seed, choice: &chooser{random: rand.New(rand.NewPCG(seed, 0))}, faults: []fault{lost, late, failed}, left: 6, reads: true, indexes: seed%4 == 0}
		w.writers(2+int(seed%2), 3)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d runs with seeds from %d", runs, first)
}
