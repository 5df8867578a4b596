// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// A race counts the writes of some processes to one log in some simulated time.
type race struct {
	facts   []int // by process
	units   int
	appends int // attempts, also unsuccessful ones
	longest time.Duration
	took    time.Duration
}

// simulate lets processes write to one log as fast as they can, each with some goroutines, over a network with a round
// trip that varies by a fifth. The place takes an append in order, and needs commit for it. A unit has at most some 64 KiB;
// if each is not 0, it has at most some MiB, and takes the time each per fact.
func simulate(t *testing.T, processes, goroutines int, roundTrip, commit, each, length time.Duration) (r race) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(backend.LogID{1}, nil)
		var mu sync.Mutex
		disk := make(chan struct{}, 1)
		random := rand.New(rand.NewPCG(1, uint64(processes)))
		half := func() time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return time.Duration(float64(roundTrip) / 2 * (0.9 + 0.2*random.Float64()))
		}
		var logs []*Log
		for range processes {
			p := s.port(func(_ context.Context, op string) fault {
				switch op {
				case "append":
					mu.Lock()
					r.appends++
					mu.Unlock()
					time.Sleep(half())
					disk <- struct{}{}
					time.Sleep(commit)
					<-disk
				case "deliver", "head", "get", "read":
					time.Sleep(half())
				}
				return fine
			})
			if each > 0 {
				p.unit = 1 << 20
				p.weigh = func(facts uint64) { time.Sleep(each * time.Duration(facts)) }
			}
			l, err := Open(t.Context(), p, Options{})
			require.NoError(t, err)
			logs = append(logs, l)
		}
		r.facts = make([]int, processes)
		start := time.Now()
		end := start.Add(length)
		var all sync.WaitGroup
		for i, l := range logs {
			for g := range goroutines {
				all.Go(func() {
					for n := 0; time.Now().Before(end); n++ {
						begun := time.Now()
						_, err := l.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprintf("%d-%d-%d", i, g, n), Store: "s", Key: fmt.Sprint(i, g), Value: []byte("1")})
						took := time.Since(begun)
						mu.Lock()
						if err != nil {
							t.Error(err)
						}
						r.facts[i]++
						r.longest = max(r.longest, took)
						mu.Unlock()
					}
				})
			}
		}
		all.Wait()
		r.took = time.Since(start)
		r.units = len(s.entries)
		for _, l := range logs {
			require.NoError(t, l.Close())
		}
	})
	return r
}

// TestFair: no process starves.
func TestFair(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{2, 3} {
		r := simulate(t, processes, 4, time.Millisecond, 200*time.Microsecond, 0, time.Second/2)
		least, most := r.facts[0], r.facts[0]
		for _, n := range r.facts {
			least, most = min(least, n), max(most, n)
		}
		t.Logf("%d processes: %d facts in %d units, %d appends, longest wait %s", processes, r.facts, r.units, r.appends, r.longest)
		require.Less(t, most, 3*least)
		require.Less(t, r.longest, 100*time.Millisecond, "of simulated time")
	}
}

// TestScale prints the throughput of a log with growing numbers of processes (gateways) and growing round trips, in
// simulated time. docs/scale.md has its table.
func TestScale(t *testing.T) {
	if soak() == 1 {
		t.Skip("it prints a table: run it with IGNITER_SOAK")
	}
	for _, roundTrip := range []time.Duration{500 * time.Microsecond, 2 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
		for _, processes := range []int{1, 2, 3, 5, 10, 20} {
			length := max(time.Second, 200*roundTrip)
			r := simulate(t, processes, 16, roundTrip, 200*time.Microsecond, 0, length)
			total, least, most := 0, r.facts[0], 0
			for _, n := range r.facts {
				total, least, most = total+n, min(least, n), max(most, n)
			}
			t.Logf("| %s | %d | %.0f | %.0f | %.1f | %d to %d | %s |", roundTrip, processes, float64(total)/length.Seconds(), float64(r.units)/length.Seconds(),
				float64(r.appends)/float64(r.units), least, most, r.longest.Round(time.Millisecond))
		}
	}
}

// TestWriters prints the throughput of a log with growing numbers of writers at one gateway and at three, in simulated
// time. docs/scale.md has its table.
func TestWriters(t *testing.T) {
	if soak() == 1 {
		t.Skip("it prints a table: run it with IGNITER_SOAK")
	}
	for _, roundTrip := range []time.Duration{500 * time.Microsecond, 10 * time.Millisecond} {
		for _, processes := range []int{1, 3} {
			for _, writers := range []int{10, 1000, 100_000} {
				length := max(time.Second, 200*roundTrip)
				r := simulate(t, processes, writers/processes, roundTrip, 200*time.Microsecond, 10*time.Microsecond, length)
				total := 0
				for _, n := range r.facts {
					total += n
				}
				t.Logf("| %d | %d | %s | %.0f | %.0f | %s |", writers, processes, roundTrip, float64(total)/r.took.Seconds(), float64(r.units)/r.took.Seconds(), r.longest.Round(time.Millisecond))
			}
		}
	}
}
