// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// Benchmark compares a log with raw publishing to a stream of the same servers: each result has the metric facts/s.
// The raw messages are facts and units that a log has written.
func Benchmark(b *testing.B) {
	for _, servers := range []int{1, 3} {
		for _, always := range []bool{false, true} {
			b.Run(fmt.Sprintf("servers=%d/always=%t", servers, always), func(b *testing.B) { benchmark(b, servers, always) })
		}
	}
}

func benchmark(b *testing.B, servers int, always bool) {
	url := ""
	var log backend.Log
	if servers == 1 {
		s := startServer(b, b.TempDir(), func(o *server.Options) { o.SyncAlways = always })
		b.Cleanup(func() { stopServer(s) })
		url = s.ClientURL()
		log = open(b, url, "bench")
	} else {
		syncAlways.Store(always)
		c := startCluster(b)
		syncAlways.Store(false)
		url = c.url()
		log = c.open("bench")
	}
	b.Cleanup(func() { log.Close() })
	_, js := connect(b, url)
	_, err := js.CreateStream(context.Background(), natsjs.StreamConfig{Name: "raw", Subjects: []string{"raw"}, Replicas: servers})
	require.NoError(b, err)
	value := `"` + strings.Repeat("x", 150) + `"`
	var ids atomic.Int64
	newFact := func() backend.Fact {
		n := ids.Add(1)
		return backend.Fact{ID: backend.NewLogID().String(), Store: "s", Key: fmt.Sprint("k", n%1000), Value: []byte(value)}
	}
	write := func() {
		_, err := log.WriteFact(context.Background(), newFact())
		require.NoError(b, err)
	}
	write()
	ours, err := js.Stream(context.Background(), "IGNITER_bench")
	require.NoError(b, err)
	first, err := ours.GetMsg(context.Background(), 1)
	require.NoError(b, err)
	raw := first.Data // servers compress what they replicate: only the same bytes compare
	publish := func() {
		_, err := js.Publish(context.Background(), "raw", raw)
		require.NoError(b, err)
	}
	units := func() uint64 { // messages that the log has had
		info, err := ours.Info(context.Background())
		require.NoError(b, err)
		return info.State.LastSeq
	}
	run := func(name string, goroutines, each int, do func()) {
		b.Run(name, func(b *testing.B) {
			before := units()
			var all sync.WaitGroup
			var left atomic.Int64
			left.Store(int64(b.N))
			for range goroutines {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						do()
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "facts/s")
			if n := units() - before; n > 0 {
				b.ReportMetric(float64(b.N*each)/float64(n), "facts/unit")
			}
		})
	}
	for _, goroutines := range []int{1, 16, 64} {
		run(fmt.Sprintf("raw=%d", goroutines), goroutines, 1, publish)
		run(fmt.Sprintf("log=%d", goroutines), goroutines, 1, write)
	}
	b.Run("raw=1 that is followed", func(b *testing.B) { // a log follows itself, to see what others write
		s, err := js.Stream(context.Background(), "raw")
		require.NoError(b, err)
		c, err := s.OrderedConsumer(context.Background(), natsjs.OrderedConsumerConfig{DeliverPolicy: natsjs.DeliverNewPolicy})
		require.NoError(b, err)
		following, err := c.Consume(func(natsjs.Msg) {})
		require.NoError(b, err)
		defer following.Stop()
		for b.Loop() {
			publish()
		}
	})
	for _, goroutines := range []int{8, 32} {
		run(fmt.Sprintf("batches of 100=%d", goroutines), goroutines, 100, func() {
			batch := backend.Batch{Facts: make([]backend.Fact, 100)}
			for i := range batch.Facts {
				batch.Facts[i] = newFact()
			}
			require.NoError(b, log.Write(context.Background(), batch)[0].Err)
		})
	}
	var largest *natsjs.RawStreamMsg // of the last units
	for at := units(); largest == nil || at > units()-20; at-- {
		m, err := ours.GetMsg(context.Background(), at)
		require.NoError(b, err)
		if strings.HasSuffix(m.Subject, ".f") && (largest == nil || len(m.Data) > len(largest.Data)) {
			largest = m
		}
	}
	var from, to int
	_, err = fmt.Sscanf(largest.Header.Get("Igniter-Unit"), "1 %s %d %d", new(string), &from, &to)
	require.NoError(b, err)
	run(fmt.Sprintf("raw units of %d", to-from+1), 1, to-from+1, func() {
		_, err := js.Publish(context.Background(), "raw", largest.Data)
		require.NoError(b, err)
	})
	b.Run("three writers", func(b *testing.B) {
		logs := []backend.Log{log}
		for range 2 {
			l, err := jetstream.Open(context.Background(), jetstream.Options{URL: url, Log: "bench", Replicas: servers})
			require.NoError(b, err)
			defer l.Close()
			logs = append(logs, l)
		}
		var all sync.WaitGroup
		var left, longest atomic.Int64
		left.Store(int64(b.N))
		counts := make([]atomic.Int64, len(logs))
		for i := range 4 * len(logs) {
			all.Go(func() {
				for left.Add(-1) >= 0 {
					begun := time.Now()
					_, err := logs[i%len(logs)].WriteFact(context.Background(), newFact())
					require.NoError(b, err)
					counts[i%len(logs)].Add(1)
					took := int64(time.Since(begun))
					for before := longest.Load(); took > before && !longest.CompareAndSwap(before, took); before = longest.Load() {
					}
				}
			})
		}
		all.Wait()
		least, most := counts[0].Load(), counts[0].Load()
		for i := range counts {
			least, most = min(least, counts[i].Load()), max(most, counts[i].Load())
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "facts/s")
		b.ReportMetric(float64(least)/float64(most), "least/most")
		b.ReportMetric(time.Duration(longest.Load()).Seconds()*1000, "ms/longest")
	})
	b.Run("replay", func(b *testing.B) {
		n := 0
		for b.Loop() {
			for p, err := range log.Replay(context.Background(), backend.Range{}) {
				require.NoError(b, err)
				n += len(p.Facts)
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "facts/s")
	})
	b.Run("follow", func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		stats, err := log.Stats(ctx)
		require.NoError(b, err)
		seen := make(chan time.Time, 1)
		go func() {
			for p, err := range log.Follow(ctx, backend.Range{After: backend.Cursor{Seq: stats.LastSeq}}) {
				if err == nil && len(p.Facts) > 0 {
					seen <- time.Now()
				}
			}
		}()
		var total time.Duration
		for b.Loop() {
			begun := time.Now()
			write()
			total += (<-seen).Sub(begun)
		}
		b.ReportMetric(float64(total.Microseconds())/float64(b.N), "µs/write-to-follow")
	})
}
