// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/linear"
	"github.com/igniter-store/igniter/server"
)

// soak reports whether the long forms of tests are requested.
func soak() bool { return os.Getenv("IGNITER_SOAK") != "" }

// seed returns the seed of a test's random choices, and prints it: IGNITER_SEED sets it.
func seed(t testing.TB) uint64 {
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("IGNITER_SEED"); text != "" {
		var err error
		n, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("IGNITER_SEED=%d", n)
	return n
}

// mischief returns a rule that disturbs one of oneOf frames, in all ways.
func mischief(seed uint64, oneOf int) func(passing) action {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 0))
	return func(f passing) action {
		mu.Lock()
		defer mu.Unlock()
		var a action
		switch rng.IntN(12) {
		case 0:
			a.split = 1 + rng.IntN(f.frame)
		case 1:
			a.delay = time.Duration(rng.IntN(1000)) * time.Microsecond
		}
		if rng.IntN(oneOf) > 0 {
			return a
		}
		a.keep = []int{0, 2, rng.IntN(f.frame), f.frame}[rng.IntN(4)]
		a.fate = []fate{isCut, isCut, isCut, isReset, isReset, isReset, stalls, isDeaf}[rng.IntN(8)]
		return a
	}
}

// A storm is writers, followers and readers of one log whose connections have faults at random.
type storm struct {
	t       *testing.T
	s       *served
	clients []backend.Log
	over    time.Time // when writers stop, if they have written enough

	mu    sync.Mutex
	acked []backend.Fact   // as returned by the log
	maybe map[string]bool  // IDs of facts that may or may not be written
	order map[int][]string // IDs of each writer's facts, in the order in which it wrote them
}

// TestStorm lets connections be delayed, split, cut, reset and stalled at random, in both directions,
// while clients write, follow and replay. The log has every acknowledged fact once, as the ack says, and each writer's
// facts in their order. It has no fact that no writer wrote. Followers and readers get the log in whole batches.
func TestStorm(t *testing.T) {
	t.Parallel()
	lasts := 5 * time.Second
	if soak() {
		lasts = time.Minute
	}
	seed := seed(t)
	s := start(t, server.Options{Heartbeat: serverBeat})
	p := startProxy(t, s.options.Address)
	o := beating(p.through(s.options))
	x := &storm{t: t, s: s, over: time.Now().Add(lasts), maybe: map[string]bool{}, order: map[int][]string{}}
	for range 3 {
		x.clients = append(x.clients, connect(t, o))
	}
	p.rules(mischief(seed, 50))

	var writers, readers sync.WaitGroup
	wrote := make(chan struct{})
	var last uint64 // of the log, once wrote is closed
	end := func() (uint64, bool) {
		select {
		case <-wrote:
			return last, true
		default:
			return 0, false
		}
	}
	followed := make([][]backend.Fact, 6)
	for i := range followed {
		readers.Go(func() { followed[i] = x.follow(i, x.clients[i%3], end) })
	}
	for i := range 2 {
		readers.Go(func() { x.replay(rand.New(rand.NewPCG(seed, uint64(100+i))), x.clients[i], wrote) })
	}
	for i := range 12 {
		writers.Go(func() { x.write(i, x.clients[i%3], rand.New(rand.NewPCG(seed, uint64(1+i)))) })
	}
	writers.Wait()
	p.rules(mischief(seed+1, 500)) // rarely, so that readers of long logs make progress
	log := contents(t, s.log)
	last = log[len(log)-1].Seq
	close(wrote)
	// Followers wait for a last fact in each store.
	for i := range 3 {
		f, err := s.log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprintf("end-%d", i), Store: fmt.Sprintf("s%d", i), Key: "end", Value: []byte("0")})
		require.NoError(t, err)
		log = append(log, f)
	}
	readers.Wait()
	p.rules(nil)
	x.check(log[:len(log)-3])
	for i, facts := range followed {
		var want []backend.Fact
		for _, f := range log {
			if x.follows(i, f.Store) {
				want = append(want, f)
			}
		}
		if x.follows(i, "") { // it stops at the first fact after the last one of the writers
			want = want[:len(want)-2]
		}
		same(t, want, facts)
	}
	connects := uint64(0)
	for _, c := range x.clients {
		stats, err := c.Stats(t.Context())
		require.NoError(t, err)
		connects += stats.Connection.Connects
	}
	t.Logf("%d facts, %d of them acknowledged, %d calls given up, %d connections for calls, %d in all", len(log), len(x.acked), len(x.maybe), connects, p.count)
	require.Greater(t, connects, uint64(3), "nothing went wrong")
}

// follows reports whether a follower follows a store. Every other one follows all.
func (x *storm) follows(i int, store string) bool {
	return i%2 == 0 || store == fmt.Sprintf("s%d", i%3)
}

// follow follows the log from its beginning until a fact comes after all that writers wrote.
func (x *storm) follow(i int, c backend.Log, end func() (uint64, bool)) (facts []backend.Fact) {
	var stores []string
	if i%2 == 1 {
		stores = []string{fmt.Sprintf("s%d", i%3)}
	}
	for p, err := range checked(c.Follow(context.Background(), after(0, stores...))) {
		if err == nil {
			err = x.checkPage(p, stores)
		}
		if err != nil {
			x.t.Errorf("follower %d: %v", i, err)
			return facts
		}
		last, ok := end()
		for _, f := range p.Facts {
			facts = append(facts, f.Clone())
			if ok && f.Seq > last {
				return facts
			}
		}
	}
	return facts
}

// checkPage returns an error if a page is not whole batches, or if it goes beyond the log.
func (x *storm) checkPage(p backend.Page, stores []string) error {
	stats, err := x.s.log.Stats(context.Background())
	if err != nil || p.Through.Seq > stats.LastSeq {
		return fmt.Errorf("a page goes through %d, and the log through %d: %w", p.Through.Seq, stats.LastSeq, err)
	}
	if n := len(p.Facts); n > 0 && stores == nil {
		id := p.Facts[n-1].ID
		var writer, batch, at, size int
		if _, err := fmt.Sscanf(id, "w%d-%d-%d/%d", &writer, &batch, &at, &size); err == nil && at != size-1 {
			return fmt.Errorf("a page ends with %q, inside a batch", id)
		}
	}
	return nil
}

// replay repeatedly replays parts of the log. Each has at least the facts that the log held when the loop began.
func (x *storm) replay(rng *rand.Rand, c backend.Log, wrote <-chan struct{}) {
	for {
		select {
		case <-wrote:
			return
		default:
		}
		before := contents(x.t, x.s.log)
		start := uint64(rng.IntN(len(before) + 1))
		facts, err := collect(c.Replay(context.Background(), after(start)))
		if err != nil {
			x.t.Errorf("replay: %v", err)
			return
		}
		for i, f := range facts {
			if f.Seq != start+uint64(i)+1 || f.Seq <= uint64(len(before)) && f.ID != before[f.Seq-1].ID {
				x.t.Errorf("replay after %d of %d: fact %d is %q at %d", start, len(before), i, f.ID, f.Seq)
				return
			}
		}
		if start+uint64(len(facts)) < uint64(len(before)) {
			x.t.Errorf("replay after %d of %d: %d facts", start, len(before), len(facts))
		}
	}
}

// write writes facts, batches, and conditional batches, some of them with a short deadline.
func (x *storm) write(writer int, c backend.Log, rng *rand.Rand) {
	latest := ""
	for n := 0; time.Now().Before(x.over) || !x.isMuch(); n++ {
		ctx, cancel := context.Background(), func() {}
		if rng.IntN(20) == 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(2000))*time.Microsecond)
		}
		b := backend.Batch{}
		count := 1
		if n%3 > 0 {
			count = 1 + rng.IntN(5)
		}
		for i := range count {
			b.Facts = append(b.Facts, backend.Fact{ID: fmt.Sprintf("w%d-%d-%d/%d", writer, n, i, count), Store: fmt.Sprintf("s%d", rng.IntN(3)), Key: fmt.Sprintf("k%d", rng.IntN(5)),
				Value: fmt.Appendf(nil, `{"pad":%q}`, strings.Repeat("x", rng.IntN(2000)))})
		}
		var held []backend.Fact
		var err error
		switch n % 3 {
		case 0:
			var f backend.Fact
			f, err = c.WriteFact(ctx, b.Facts[0])
			held = []backend.Fact{f}
		case 1:
			held, err = write(ctx, c, b.Facts...)
		case 2: // on a key of the writer's own, whose latest fact it knows
			key := fmt.Sprintf("own%d", writer)
			b.Facts[count-1].Key, b.Facts[count-1].Store = key, "s0"
			b.Expect = []backend.Expect{{Store: "s0", Key: key, ID: latest}}
			w := c.Write(ctx, b)[0]
			held, err = w.Facts, w.Err
			if conflict, ok := errors.AsType[*backend.ConflictError](err); ok {
				if !x.isMaybe(conflict.Latest) {
					x.t.Errorf("writer %d: a conflict with %q, and not %q", writer, conflict.Latest, latest)
				}
				latest = conflict.Latest
				cancel()
				continue
			}
			if err == nil {
				latest = b.Facts[count-1].ID
			}
		}
		x.note(writer, b.Facts, held, err, ctx)
		cancel()
	}
}

// isMuch reports whether enough was written for a meaningful test, which may take longer on a busy machine.
func (x *storm) isMuch() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.acked) >= 100
}

func (x *storm) isMaybe(id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.maybe[id]
}

// note records the results of writes.
func (x *storm) note(writer int, facts, held []backend.Fact, err error, ctx context.Context) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
			x.t.Errorf("writer %d: %v", writer, err)
		}
		for _, f := range facts {
			x.maybe[f.ID] = true
		}
		return
	}
	for i := range held {
		if held[i].ID != facts[i].ID {
			x.t.Errorf("writer %d wrote %q and was given %q", writer, facts[i].ID, held[i].ID)
		}
		if i > 0 && held[i].Seq != held[i-1].Seq+1 {
			x.t.Errorf("writer %d: a batch with a gap after seq %d", writer, held[i-1].Seq)
		}
		x.acked = append(x.acked, held[i])
		x.order[writer] = append(x.order[writer], held[i].ID)
	}
}

// check compares the log with the acks.
func (x *storm) check(log []backend.Fact) {
	require.False(x.t, x.t.Failed())
	at := map[string]uint64{}
	for i, f := range log {
		require.Equal(x.t, uint64(i)+1, f.Seq)
		require.Zero(x.t, at[f.ID], "%q is there twice", f.ID)
		at[f.ID] = f.Seq
	}
	known := map[string]bool{}
	for _, f := range x.acked {
		require.NotZero(x.t, at[f.ID], "%q was acknowledged at seq %d, and is not there", f.ID, f.Seq)
		same(x.t, []backend.Fact{log[at[f.ID]-1]}, []backend.Fact{f})
		known[f.ID] = true
	}
	for id := range at {
		require.True(x.t, known[id] || x.maybe[id], "nobody wrote %q", id)
	}
	for writer, ids := range x.order {
		for i := 1; i < len(ids); i++ {
			require.Less(x.t, at[ids[i-1]], at[ids[i]], "the facts of writer %d are not in the order in which it wrote them", writer)
		}
	}
}

// TestConditionalWrites lets clients race on keys with conditional writes, and checks that their results are linearizable.
func TestConditionalWrites(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]int{"calm": 0, "storm": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := seed(t)
			s := start(t, server.Options{Heartbeat: serverBeat})
			p := startProxy(t, s.options.Address)
			var mu sync.Mutex
			var history []linear.Write
			var racers sync.WaitGroup
			for i := range 6 {
				c := connect(t, beating(p.through(s.options)))
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				racers.Go(func() {
					err := linear.Race(context.Background(), c, i, 100, rng, func(w linear.Write) {
						mu.Lock()
						history = append(history, w)
						mu.Unlock()
					})
					if err != nil {
						t.Error(err)
					}
				})
				if faults > 0 && i == 5 {
					p.rules(mischief(seed, faults))
				}
			}
			racers.Wait()
			p.rules(nil)
			refused, err := linear.Check(history)
			require.NoError(t, err)

			written := 0
			latest := map[string]string{}
			for _, f := range contents(t, s.log) {
				require.Equal(t, latest[f.Key], f.Causation)
				latest[f.Key] = f.ID
				written++
			}
			require.Equal(t, len(history)-refused, written)
			require.Positive(t, refused, "nobody raced")
		})
	}
}
