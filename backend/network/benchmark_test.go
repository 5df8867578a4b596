// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
)

// Benchmark runs the benchmark of every backend, with the client and the server in one process.
func Benchmark(b *testing.B) {
	for _, transport := range []string{"tcp", "unix"} {
		b.Run(transport, func(b *testing.B) {
			p := &place{transport: transport, open: openMemory}
			backendtest.Benchmark(b, p.opener(true))
		})
	}
}

// benchFact returns a fact of about 420 bytes as JSON, with its hash.
func benchFact(n int) backend.Fact {
	return backend.Fact{
		ID: fmt.Sprintf("0197c0de-8c1a-7055-%04x-%012x", n>>16&0xffff, uint64(n)*0x9e3779b97f4a7c15>>16), Store: "tasks", Key: fmt.Sprintf("task-%06d", n%250_000),
		Value: []byte(`{"title":"Write the report for the third quarter","state":"open","priority":3,` +
			`"tags":["work","urgent"],"estimate":12.5,"owner":"someone@example.org"}`),
		ValueHash: "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
	}
}

func perSecond(b *testing.B, name string, n int) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), name+"/s")
}

// percentiles reports the median and the 99th percentile.
func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	if n := len(took); n > 0 {
		b.ReportMetric(float64(took[n/2].Nanoseconds())/1000, "p50-µs")
		b.ReportMetric(float64(took[n*99/100].Nanoseconds())/1000, "p99-µs")
	}
}

func dial(b testing.TB, s *served) backend.Log {
	c, err := network.Dial(b.Context(), s.options)
	require.NoError(b, err)
	return c
}

// BenchmarkRoundTrip measures a lone WriteFact on memory beside what it can't be faster than: 430 bytes
// sent to another process and back. The server is a process of its own.
func BenchmarkRoundTrip(b *testing.B) {
	for _, transport := range []string{"tcp", "unix"} {
		b.Run(transport+"/bare", func(b *testing.B) {
			nc, err := net.Dial(transport, otherProcess(b, "echo", transport))
			require.NoError(b, err)
			defer nc.Close()
			buf := make([]byte, 430)
			took := make([]time.Duration, 0, 1<<20)
			for b.Loop() {
				start := time.Now()
				if _, err := nc.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(nc, buf); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			percentiles(b, took)
		})
		b.Run(transport+"/WriteFact", func(b *testing.B) {
			c, err := network.Dial(b.Context(), network.Options{Transport: transport, Address: otherProcess(b, "serve", transport)})
			require.NoError(b, err)
			defer c.Close()
			took := make([]time.Duration, 0, 1<<20)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				f := benchFact(n)
				start := time.Now()
				if _, err := c.WriteFact(context.Background(), f); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			percentiles(b, took)
		})
	}
}

// otherEnv says to a process of this test binary what it is for.
const otherEnv = "IGNITER_NETWORK_OTHER"

// otherProcess starts a process that echoes or serves a log in memory, and returns its address.
func otherProcess(b *testing.B, does, transport string) string {
	exe, err := os.Executable()
	require.NoError(b, err)
	address := "127.0.0.1:0"
	if transport == "unix" {
		address = filepath.Join(shortDir(b), "s")
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), otherEnv+"="+does+" "+transport+" "+address)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		require.NoError(b, in.Close())
		require.NoError(b, cmd.Wait())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	return strings.TrimSpace(line)
}

// beOther does what otherProcess asks for, until its standard input ends.
func beOther(order string) error {
	words := strings.Fields(order)
	l, err := server.Listen(words[1], words[2])
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	if words[0] == "serve" {
		s := server.New(memory.New(memory.Options{}), server.Options{})
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			_ = s.Close()
		}()
		return s.Serve(l)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = l.Close()
	}()
	for {
		nc, err := l.Accept()
		if err != nil {
			return nil // its end
		}
		go func() {
			_, _ = io.CopyBuffer(struct{ io.Writer }{nc}, struct{ io.Reader }{nc}, make([]byte, 430))
			_ = nc.Close()
		}()
	}
}

// BenchmarkPipe measures WriteFact from one goroutine and from many over one connection, on a log in memory that another
// process serves.
func BenchmarkPipe(b *testing.B) {
	for _, transport := range []string{"unix", "tcp"} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/callers=%d", transport, callers), func(b *testing.B) {
				c, err := network.Dial(b.Context(), network.Options{Transport: transport, Address: otherProcess(b, "serve", transport)})
				require.NoError(b, err)
				defer c.Close()
				benchmarkWriters(b, c, callers)
			})
		}
	}
}

// BenchmarkPipelined measures WriteFact from many goroutines over one connection: on memory, and on a log
// in files that is synced always, beside that log without a network.
func BenchmarkPipelined(b *testing.B) {
	durable := func(b *testing.B) backend.Log {
		l, err := file.Open(b.Context(), file.Options{Path: filepath.Join(b.TempDir(), "log")})
		require.NoError(b, err)
		return l
	}
	for _, writers := range []int{64, 256} {
		b.Run(fmt.Sprintf("memory/writers=%d", writers), func(b *testing.B) {
			s := serve(b, openMemory(b, ""), "tcp", server.Options{})
			defer s.stop(b)
			c := dial(b, s)
			defer c.Close()
			benchmarkWriters(b, c, writers)
		})
		b.Run(fmt.Sprintf("file-alone/writers=%d", writers), func(b *testing.B) {
			log := durable(b)
			defer log.Close()
			benchmarkWriters(b, log, writers)
		})
		b.Run(fmt.Sprintf("file/writers=%d", writers), func(b *testing.B) {
			s := serve(b, durable(b), "tcp", server.Options{})
			defer s.stop(b)
			c := dial(b, s)
			defer c.Close()
			benchmarkWriters(b, c, writers)
		})
	}
}

func benchmarkWriters(b *testing.B, log backend.Log, writers int) {
	facts := make([]backend.Fact, b.N)
	for n := range facts {
		facts[n] = benchFact(n)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(len(facts)); n = next.Add(1) {
				if _, err := log.WriteFact(context.Background(), facts[n-1]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	perSecond(b, "facts", b.N)
}

// BenchmarkBatches measures batches of 100 facts from one goroutine.
func BenchmarkBatches(b *testing.B) {
	s := serve(b, openMemory(b, ""), "tcp", server.Options{})
	defer s.stop(b)
	c := dial(b, s)
	defer c.Close()
	const size = 100
	facts := make([]backend.Fact, b.N*size)
	for n := range facts {
		facts[n] = benchFact(n)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		if _, err := write(context.Background(), c, facts[n*size:(n+1)*size]...); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	perSecond(b, "facts", b.N*size)
}
