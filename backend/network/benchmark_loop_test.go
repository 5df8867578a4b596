// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// filled returns a log in memory with n facts.
func filled(b *testing.B, n int) backend.Log {
	log := memory.New(memory.Options{})
	batch := make([]backend.Fact, 0, 200)
	for i := range n {
		if batch = append(batch, benchFact(i)); len(batch) == cap(batch) || i == n-1 {
			_, err := write(b.Context(), log, batch...)
			require.NoError(b, err)
			batch = batch[:0]
		}
	}
	return log
}

// BenchmarkReplay measures a replay of a million facts.
func BenchmarkReplay(b *testing.B) {
	const facts = 1_000_000
	log := filled(b, facts)
	for _, transport := range []string{"tcp", "unix"} {
		b.Run(transport, func(b *testing.B) {
			s := serve(b, log, transport, server.Options{})
			c := dial(b, s)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				for p, err := range c.Replay(context.Background(), after(0)) {
					if err != nil {
						b.Fatal(err)
					}
					n += len(p.Facts)
				}
			}
			require.Zero(b, n%facts)
			perSecond(b, "facts", n)
			require.NoError(b, c.Close())
			require.NoError(b, s.server.Close())
			require.NoError(b, <-s.done)
		})
	}
	require.NoError(b, log.Close())
}

// BenchmarkFanOut measures how many facts reach subscribers while a writer writes batches of 100, and
// counts that each got all.
func BenchmarkFanOut(b *testing.B) {
	for _, subscribers := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(subscribers), func(b *testing.B) {
			s := serve(b, openMemory(b, ""), "tcp", server.Options{})
			defer s.stop(b)
			c := dial(b, s)
			defer c.Close()
			const size = 100
			total := b.N * size
			facts := make([]backend.Fact, total)
			for n := range facts {
				facts[n] = benchFact(n)
			}
			var all sync.WaitGroup
			for range subscribers {
				all.Go(func() {
					seq := uint64(0)
					for f, err := range backend.Facts(c.Follow(context.Background(), after(0))) {
						if err != nil || f.Seq != seq+1 {
							b.Errorf("seq %d after %d: %v", f.Seq, seq, err)
							return
						}
						if seq = f.Seq; seq == uint64(total) {
							return
						}
					}
				})
			}
			for s.server.Metrics().Subscriptions < subscribers {
				runtime.Gosched()
			}
			b.ResetTimer()
			for n := range b.N {
				if _, err := write(context.Background(), c, facts[n*size:(n+1)*size]...); err != nil {
					b.Fatal(err)
				}
			}
			all.Wait()
			b.StopTimer()
			perSecond(b, "events", total*subscribers)
		})
	}
}

// BenchmarkDelivery measures from a lone write until the fact is with all the subscribers.
func BenchmarkDelivery(b *testing.B) {
	for _, subscribers := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(subscribers), func(b *testing.B) {
			s := serve(b, openMemory(b, ""), "tcp", server.Options{})
			defer s.stop(b)
			c := dial(b, s)
			defer c.Close()
			ctx, cancel := context.WithCancel(context.Background())
			var all sync.WaitGroup
			defer all.Wait()
			defer cancel()
			var start time.Time
			arrived := make(chan time.Time, subscribers)
			for range subscribers {
				all.Go(func() {
					for _, err := range backend.Facts(c.Follow(ctx, after(0))) {
						if err != nil {
							return
						}
						arrived <- time.Now()
					}
				})
			}
			for s.server.Metrics().Subscriptions < subscribers {
				runtime.Gosched()
			}
			took := make([]time.Duration, 0, 1<<20)
			for n := 0; b.Loop(); n++ {
				f := benchFact(n)
				start = time.Now()
				if _, err := c.WriteFact(context.Background(), f); err != nil {
					b.Fatal(err)
				}
				for range subscribers {
					took = append(took, (<-arrived).Sub(start))
				}
			}
			percentiles(b, took)
		})
	}
}

// BenchmarkIdle measures the heap that an idle connection takes on the server's side, and an idle
// subscription. The other ends are bare sockets.
func BenchmarkIdle(b *testing.B) {
	const conns = 1000
	for _, kind := range []string{"connection", "subscription"} {
		b.Run(kind, func(b *testing.B) {
			s := serve(b, filled(b, 1000), "tcp", server.Options{})
			defer s.stop(b)
			heap := func() float64 {
				var m runtime.MemStats
				for range 3 {
					runtime.GC()
				}
				runtime.ReadMemStats(&m)
				return float64(m.HeapInuse + m.StackInuse)
			}
			for b.Loop() {
				before := heap()
				open := make([]net.Conn, conns)
				for i := range open {
					open[i] = rawHello(b, s, kind == "subscription")
				}
				after := heap()
				b.ReportMetric((after-before)/conns, "B/"+kind)
				for _, nc := range open {
					require.NoError(b, nc.Close())
				}
				for s.server.Metrics().Connections > 0 {
					runtime.Gosched()
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
