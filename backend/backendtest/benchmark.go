// SPDX-License-Identifier: Apache-2.0

package backendtest

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/igniter-store/igniter/backend"
)

// Benchmark measures the backends that open opens, completed by [backend.Complete], each on an empty log:
// writes by one goroutine and by 16, batches of 100, Replay of 100,000 facts, and Follow of facts
// as they are written. MB/s counts the bytes of values; facts/s counts facts. Facts have about 420
// bytes as JSON, with an ID and a ValueHash, so that no codec but the backend's is measured. A backend
// without batches skips them.
func Benchmark(b *testing.B, open Opener) {
	b.Run("WriteFact/1", func(b *testing.B) { benchmarkWrite(b, fresh(b, open), 1) })
	b.Run("WriteFact/16", func(b *testing.B) { benchmarkWrite(b, fresh(b, open), 16) })
	b.Run("Write/100", func(b *testing.B) { benchmarkBatch(b, fresh(b, open)) })
	b.Run("Replay", func(b *testing.B) { benchmarkReplay(b, fresh(b, open)) })
	b.Run("Follow", func(b *testing.B) { benchmarkFollow(b, fresh(b, open)) })
}

func fresh(b *testing.B, open Opener) backend.Log {
	b.Helper()
	log := backend.Complete(open(b, b.TempDir()))
	b.Cleanup(func() {
		if err := log.Close(); err != nil {
			b.Errorf("Close: %v", err)
		}
	})
	return log
}

// A mint makes facts that differ in their IDs and keys only. It allocates nothing else.
type mint struct {
	next  atomic.Uint64
	value []byte
	keys  [1000]string
}

func newMint() *mint {
	m := &mint{value: []byte(`{"title":"Write the report for the third quarter","state":"open","priority":3,` +
		`"tags":["work","urgent"],"estimate":12.5,"owner":"someone@example.org"}`)}
	for i := range m.keys {
		m.keys[i] = fmt.Sprintf("task-%06d", i)
	}
	return m
}

// fact returns the next fact. It may be called concurrently.
func (m *mint) fact() backend.Fact {
	n := m.next.Add(1)
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], n)
	binary.BigEndian.PutUint64(raw[8:], n*0x9e3779b97f4a7c15)
	var text [36]byte
	hex.Encode(text[:8], raw[:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:], raw[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return backend.Fact{
		ID: string(text[:]), Store: "tasks", Key: m.keys[n%uint64(len(m.keys))], Value: m.value,
		ValueHash: "8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92",
	}
}

// ahead is the number of facts that are made in advance, with the timer stopped.
const ahead = 1 << 16

// perSecond reports the facts per second of the measured time.
func perSecond(b *testing.B, facts int) {
	b.ReportMetric(float64(facts)/b.Elapsed().Seconds(), "facts/s")
}

func benchmarkWrite(b *testing.B, log backend.Log, goroutines int) {
	m := newMint()
	b.ReportAllocs()
	b.SetBytes(int64(len(m.value)))
	b.ResetTimer()
	for left := b.N; left > 0; left -= min(left, ahead) {
		b.StopTimer()
		given := make([]backend.Fact, min(left, ahead))
		for i := range given {
			given[i] = m.fact()
		}
		b.StartTimer()
		var next atomic.Int64
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for {
					i := int(next.Add(1)) - 1
					if i >= len(given) {
						return
					}
					if _, err := log.WriteFact(b.Context(), given[i]); err != nil {
						b.Errorf("WriteFact: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	b.StopTimer()
	perSecond(b, b.N)
}

func benchmarkBatch(b *testing.B, log backend.Log) {
	if !log.Features().Batches {
		b.Skip("the backend writes no batches")
	}
	const size = 100
	m := newMint()
	given := make([]backend.Fact, size)
	b.ReportAllocs()
	b.SetBytes(size * int64(len(m.value)))
	n := 0
	for b.Loop() {
		for i := range given {
			given[i] = m.fact()
		}
		if err := log.Write(b.Context(), backend.Batch{Facts: given})[0].Err; err != nil {
			b.Fatalf("Write: %v", err)
		}
		n += size
	}
	perSecond(b, n)
}

// fill writes n facts by many goroutines.
func fill(b *testing.B, log backend.Log, m *mint, n int) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for int(next.Add(1)) <= n {
				if _, err := log.WriteFact(b.Context(), m.fact()); err != nil {
					b.Errorf("WriteFact: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

func benchmarkReplay(b *testing.B, log backend.Log) {
	const size = 100_000
	m := newMint()
	fill(b, log, m, size)
	b.ReportAllocs()
	b.SetBytes(size * int64(len(m.value)))
	n := 0
	for b.Loop() {
		for p, err := range log.Replay(b.Context(), backend.Range{}) {
			if err != nil {
				b.Fatalf("Replay: %v", err)
			}
			n += len(p.Facts)
		}
	}
	if n%size != 0 || n == 0 {
		b.Fatalf("Replay yielded %d facts, in loops over %d", n, size)
	}
	perSecond(b, n)
}

// benchmarkFollow measures from the first write until a follower has seen the last fact.
func benchmarkFollow(b *testing.B, log backend.Log) {
	m := newMint()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	b.SetBytes(int64(len(m.value)))
	b.ResetTimer()
	var follower sync.WaitGroup
	follower.Go(func() {
		n := 0
		for p, err := range log.Follow(ctx, backend.Range{}) {
			if err != nil {
				b.Errorf("Follow: %v", err)
				return
			}
			if n += len(p.Facts); n == b.N {
				return
			}
		}
	})
	// A writer that fails ends the follower, too.
	for range b.N {
		if _, err := log.WriteFact(ctx, m.fact()); err != nil {
			b.Errorf("WriteFact: %v", err)
			cancel()
			break
		}
	}
	follower.Wait()
	b.StopTimer()
	perSecond(b, b.N)
}
