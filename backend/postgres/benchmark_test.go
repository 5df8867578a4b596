// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
)

// BenchmarkLog measures the log as every backend is measured.
func BenchmarkLog(b *testing.B) {
	a := address(b)
	backendtest.Benchmark(b, func(t testing.TB, dir string) backend.Backend {
		return open(t, Options{Address: a, Log: logOf(dir)})
	})
}

var benchmarks atomic.Int64

func benchmarkValue() []byte {
	return []byte(`{"title":"Write the report for the third quarter","state":"open","priority":3,"tags":["work","urgent"],"estimate":12.5,"owner":"someone@example.org"}`)
}

// BenchmarkWrite compares writes of single facts with bare inserts of the same bytes, by as many goroutines.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("fact/", n), func(b *testing.B) {
			l := open(b, Options{Address: address(b) + " pool_max_conns=8", Log: fmt.Sprint("bench-", benchmarks.Add(1))})
			defer l.Close()
			each(b, n, func(ctx context.Context) error {
				_, err := l.WriteFact(ctx, backend.Fact{ID: uuid.Must(uuid.NewV7()).String(), Store: "tasks", Key: "t" + rand.Text()[:3], Value: benchmarkValue()})
				return err
			})
		})
		b.Run(fmt.Sprint("insert/", n), func(b *testing.B) {
			pool, table := bare(b)
			each(b, n, func(ctx context.Context) error {
				_, err := pool.Exec(ctx, `insert into `+table+` (body) values ($1)`, benchmarkBody())
				return err
			})
		})
	}
}

// BenchmarkBatch compares batches with one insert of as many rows, and with COPY.
func BenchmarkBatch(b *testing.B) {
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprint("batch/", size), func(b *testing.B) {
			l := open(b, Options{Address: address(b), Log: fmt.Sprint("bench-", benchmarks.Add(1))})
			defer l.Close()
			batches(b, size, func(ctx context.Context) error {
				facts := make([]backend.Fact, size)
				for i := range facts {
					facts[i] = backend.Fact{ID: uuid.Must(uuid.NewV7()).String(), Store: "tasks", Key: fmt.Sprint("t", i), Value: benchmarkValue()}
				}
				return l.Write(ctx, backend.Batch{Facts: facts})[0].Err
			})
		})
		b.Run(fmt.Sprint("insert/", size), func(b *testing.B) {
			pool, table := bare(b)
			batches(b, size, func(ctx context.Context) error {
				bodies := make([][]byte, size)
				for i := range bodies {
					bodies[i] = benchmarkBody()
				}
				_, err := pool.Exec(ctx, `insert into `+table+` (body) select unnest($1::bytea[])`, bodies)
				return err
			})
		})
		b.Run(fmt.Sprint("copy/", size), func(b *testing.B) {
			pool, table := bare(b)
			batches(b, size, func(ctx context.Context) error {
				_, err := pool.CopyFrom(ctx, pgx.Identifier{table}, []string{"body"}, pgx.CopyFromSlice(size, func(int) ([]any, error) { return []any{benchmarkBody()}, nil }))
				return err
			})
		})
	}
}

// BenchmarkLatency measures from a write until a follower in another process' place has seen the fact: with the alarm, and through a pooler,
// where followers poll.
func BenchmarkLatency(b *testing.B) {
	b.Run("alarm", func(b *testing.B) { latency(b, address(b)) })
	b.Run("polling", func(b *testing.B) { latency(b, startPooler(b)) })
}

// latency prints the median and the 99th percentile for a follower at an address.
func latency(b *testing.B, at string) {
	name := fmt.Sprint("bench-", benchmarks.Add(1))
	writer, reader := open(b, Options{Address: address(b), Log: name}), open(b, Options{Address: at, Log: name})
	defer writer.Close()
	defer reader.Close()
	seen := make(chan uint64)
	ctx, cancel := context.WithCancel(b.Context())
	var follower sync.WaitGroup
	follower.Go(func() {
		for p, err := range reader.Follow(ctx, backend.Range{}) {
			if err != nil {
				return
			}
			for _, f := range p.Facts {
				seen <- f.Seq
			}
		}
	})
	for !reader.pooled && !reader.alarm.Load() {
		_ = wait(ctx, minWait)
	}
	var all []time.Duration
	for b.Loop() {
		_ = wait(ctx, mathrand.N(pollPooled)) // so that polls come at any moment
		begun := time.Now()
		f, err := writer.WriteFact(ctx, backend.Fact{ID: uuid.Must(uuid.NewV7()).String(), Store: "s", Key: "k", Value: []byte("1")})
		if err != nil {
			b.Fatal(err)
		}
		if <-seen != f.Seq {
			b.Fatal("out of order")
		}
		all = append(all, time.Since(begun))
	}
	cancel()
	follower.Wait()
	slices.Sort(all)
	b.ReportMetric(all[len(all)/2].Seconds()*1000, "ms/median")
	b.ReportMetric(all[len(all)*99/100].Seconds()*1000, "ms/p99")
}

// bare returns a table with a number and bytes.
func bare(b *testing.B) (*pgxpool.Pool, string) {
	pool, err := pgxpool.New(b.Context(), address(b)+" pool_max_conns=16")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	table := fmt.Sprint("bare", benchmarks.Add(1))
	if _, err := pool.Exec(b.Context(), `drop table if exists `+table+`; create table `+table+` (seq bigint primary key generated always as identity, body bytea not null)`); err != nil {
		b.Fatal(err)
	}
	return pool, table
}

// benchmarkBody returns bytes of the length of a fact.
func benchmarkBody() []byte {
	return append([]byte(uuid.Must(uuid.NewV7()).String()+`"transaction_time":1700000000.123456789,"value_hash":"8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92"`), benchmarkValue()...)
}

func each(b *testing.B, goroutines int, do func(ctx context.Context) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range goroutines {
		all.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := do(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "facts/s")
}

func batches(b *testing.B, size int, do func(ctx context.Context) error) {
	for b.Loop() {
		if err := do(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "facts/s")
}
