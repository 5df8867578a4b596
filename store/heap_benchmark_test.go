// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
	"github.com/igniter-store/igniter/wire"
)

// BenchmarkOpen opens an engine over a million facts in memory.
func BenchmarkOpen(b *testing.B) {
	l := million()
	b.ResetTimer()
	for b.Loop() {
		e, err := store.Open(b.Context(), l, store.Options{})
		require.NoError(b, err)
		require.NoError(b, e.Close())
	}
	b.ReportMetric(1e6*float64(b.N)/b.Elapsed().Seconds(), "facts/s")
}

// BenchmarkHeap reports what a million facts take, without indexes and with one of each kind, and how
// long a collection then is.
func BenchmarkHeap(b *testing.B) {
	l := memory.New(memory.Options{})
	fill := million()
	empty := heap()
	json := 0
	for f, err := range backend.Facts(fill.Replay(b.Context(), backend.Range{})) {
		require.NoError(b, err)
		json += len(wire.AppendFact(nil, &f))
		f.TransactionTime = time.Time{}
		_, err = l.WriteFact(b.Context(), f)
		require.NoError(b, err)
	}
	log := heap()
	e := benchmarkEngine(b, l)
	both := heap()
	e.FactByID("none")
	s, err := e.Scope("tasks", "done", store.Filter{Where: map[store.Field]any{"status": "done"}})
	require.NoError(b, err)
	s.Build()
	x, err := e.Index("tasks", "owner")
	require.NoError(b, err)
	x.Build()
	for range e.List(b.Context(), "tasks", store.Query{ByKey: true, Limit: 1}) {
	}
	indexed := heap()
	var pause time.Duration
	for b.Loop() {
		start := time.Now()
		runtime.GC()
		pause = time.Since(start)
	}
	facts := 1e6
	b.ReportMetric(float64(json)/facts, "json-B/fact")
	b.ReportMetric(float64(log-empty)/facts, "log-B/fact")
	b.ReportMetric(float64(both-log)/facts, "engine-B/fact")
	b.ReportMetric(float64(indexed-log)/facts, "indexed-B/fact")
	b.ReportMetric(float64(pause.Microseconds())/1000, "ms/GC")
	runtime.KeepAlive(x)
	runtime.KeepAlive(s)
	runtime.KeepAlive(e)
	runtime.KeepAlive(fill)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkIndexWrite writes records of 1,000,000 keys that go from one of three values of an indexed
// field to another.
func BenchmarkIndexWrite(b *testing.B) {
	const keys = 1_000_000
	e := benchmarkEngine(b, newLog(b))
	x, err := e.Index("s", "status")
	require.NoError(b, err)
	facts := make([]backend.Fact, 3*1024)
	for i := range facts {
		facts[i] = backend.Fact{Store: "s", Value: fmt.Appendf(nil, `{"status":"%c"}`, 'a'+i%3)}
	}
	write := func(i, status int) {
		f := facts[status%len(facts)]
		f.Key = fmt.Sprint("key-", i%keys)
		_, err := e.Write(context.Background(), f)
		require.NoError(b, err)
	}
	for i := range keys {
		write(i, i)
	}
	x.Build()
	n := 0
	for b.Loop() {
		n++
		write(n*7919, n)
	}
}
