// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/backend/postgres"
	"github.com/igniter-store/igniter/internal/pgserver"
)

// BenchmarkBackends measures all backends in one run, with their defaults: files and PostgreSQL sync each write, network is
// an Igniter server over files, and JetStream runs on one server and on three.
func BenchmarkBackends(b *testing.B) {
	ctx := context.Background()
	files := func(b *testing.B) backend.Log {
		l, err := file.Open(ctx, file.Options{Path: filepath.Join(b.TempDir(), "log")})
		require.NoError(b, err)
		return l
	}
	for _, c := range []struct {
		name string
		open func(b *testing.B) backend.Log
	}{
		{"memory", func(*testing.B) backend.Log { return memory.New(memory.Options{}) }},
		{"file", files},
		{"network", func(b *testing.B) backend.Log {
			l, err := network.Dial(ctx, network.Options{Address: strings.TrimPrefix(serve(b, files(b)), "unix://"), Transport: "unix"})
			require.NoError(b, err)
			return l
		}},
		{"postgres", func(b *testing.B) backend.Log {
			s, err := pgserver.New("fsync=on")
			if err != nil {
				b.Skip(err)
			}
			b.Cleanup(s.Remove)
			l, err := postgres.Open(ctx, postgres.Options{Address: s.Address("postgres", "postgres")})
			require.NoError(b, err)
			return l
		}},
		{"jetstream-1", func(b *testing.B) backend.Log {
			s := startServer(b, b.TempDir(), nil)
			b.Cleanup(func() { stopServer(s) })
			return open(b, s.ClientURL(), "compared")
		}},
		{"jetstream-3", func(b *testing.B) backend.Log { return startCluster(b).open("compared") }},
	} {
		b.Run(c.name, func(b *testing.B) {
			compare(b, c.open(b))
		})
	}
}

func compare(b *testing.B, l backend.Log) {
	b.Cleanup(func() { l.Close() })
	ctx := context.Background()
	value := []byte(`"` + strings.Repeat("x", 150) + `"`)
	fact := func(n int64) backend.Fact {
		return backend.Fact{ID: backend.NewLogID().String(), Store: "s", Key: fmt.Sprint("k", n%1000), Value: value}
	}
	run := func(name string, goroutines, each int, do func(n int64)) {
		b.Run(name, func(b *testing.B) {
			var all sync.WaitGroup
			var next atomic.Int64
			for range goroutines {
				all.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						do(n)
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "facts/s")
		})
	}
	for _, goroutines := range []int{1, 64} {
		run(fmt.Sprint("fact-", goroutines), goroutines, 1, func(n int64) {
			_, err := l.WriteFact(ctx, fact(n))
			require.NoError(b, err)
		})
	}
	run("batch-100", 4, 100, func(n int64) {
		batch := backend.Batch{Facts: make([]backend.Fact, 100)}
		for i := range batch.Facts {
			batch.Facts[i] = fact(n + int64(i))
		}
		require.NoError(b, l.Write(ctx, batch)[0].Err)
	})
	b.Run("replay", func(b *testing.B) {
		n := 0
		begun := time.Now()
		for p, err := range l.Replay(ctx, backend.Range{}) { // once
			require.NoError(b, err)
			n += len(p.Facts)
		}
		b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "facts/s")
	})
}
