// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// typical returns a fact of about 420 bytes as JSON, for one of 250,000 keys.
func typical(i int) backend.Fact {
	return backend.Fact{
		Store: "tasks", Key: fmt.Sprintf("task-%07d", i%250_000), SchemaVersion: 1, Producer: []byte(`{"name":"web-1"}`),
		Value: fmt.Appendf(nil, `{"amount":%d.26,"owner":"user-%06d@accounts.example.org","priority":1,"status":"done","title":"Account review 01"}`, i%90+10, i%1_000_000),
	}
}

func benchmarkEngine(b *testing.B, l backend.Backend) *store.Engine {
	e, err := store.Open(context.Background(), l, store.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = e.Close() })
	return e
}

// BenchmarkWrite writes values that want hashing, to new and old keys.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			e := benchmarkEngine(b, newLog(b))
			given := make([]backend.Fact, 1<<16)
			for i := range given {
				given[i] = typical(i * 7919)
			}
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if _, err := e.Write(b.Context(), given[n%int64(len(given))]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "facts/s")
		})
	}
}

// million is a log of a million facts of 250,000 keys. It is made once.
var million = sync.OnceValue(func() *memory.Log {
	l := memory.New(memory.Options{})
	for i := range 1_000_000 {
		f := typical(i)
		f.ID = fmt.Sprintf("0197c0de-8c1a-7055-9dd2-%012x", i)
		if _, err := l.WriteFact(context.Background(), f); err != nil {
			panic(err)
		}
	}
	return l
})

// BenchmarkCurrentRead reads keys from all over a million facts, and a few of them again and again
// ("hot"). "map" is a Go map of structs with the same values under a sync.RWMutex, beside it. Both look
// at a value's first byte. What the processor's caches do not hold costs several hundred cycles, so the
// reads of all over measure memory.
func BenchmarkCurrentRead(b *testing.B) {
	e := benchmarkEngine(b, million())
	type task struct{ value json.RawMessage }
	var mu sync.RWMutex
	tasks := map[string]task{}
	for i := range 250_000 {
		tasks[fmt.Sprintf("task-%07d", i)] = task{value: typical(i).Value}
	}
	// The keys that are asked for lie side by side, as if just read from a request.
	all := make([]byte, 0, 12<<16)
	for i := range 1 << 16 {
		all = fmt.Appendf(all, "task-%07d", i*7919%250_000)
	}
	text := string(all)
	key := func(n int) string { return text[n*12 : n*12+12] }
	get := func(n int) bool {
		r, ok := e.Get("tasks", key(n))
		return ok && r.Value()[0] == '{'
	}
	fromMap := func(n int) bool {
		mu.RLock()
		defer mu.RUnlock()
		t, ok := tasks[key(n)]
		return ok && t.value[0] == '{'
	}
	for name, read := range map[string]func(int) bool{"raw": get, "map": fromMap} {
		for spread, keys := range map[string]int{"all": 1 << 16, "hot": 1000} {
			b.Run(name+"/"+spread, func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					if !read(n % keys) {
						b.Fatal("not found")
					}
					n++
				}
			})
			b.Run(name+"/"+spread+"/parallel", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for n := 0; pb.Next(); n++ {
						if !read(n % keys) {
							b.Error("not found")
						}
					}
				})
			})
		}
	}
}

// BenchmarkReadWhileWriting reads keys from all over a million facts, on one goroutine and on two, while
// another writes a thousand facts every 10 ms.
func BenchmarkReadWhileWriting(b *testing.B) {
	for _, readers := range []int{1, 2} {
		b.Run(fmt.Sprint(readers), func(b *testing.B) {
			l := memory.New(memory.Options{})
			b.Cleanup(func() { _ = l.Close() })
			for f, err := range backend.Facts(million().Replay(b.Context(), backend.Range{})) {
				require.NoError(b, err)
				_, err = l.WriteFact(b.Context(), f)
				require.NoError(b, err)
			}
			e := benchmarkEngine(b, l)
			keys := make([]string, 1<<16)
			for i := range keys {
				keys[i] = typical(i * 7919).Key
			}
			stop := make(chan struct{})
			var writer, reading sync.WaitGroup
			written := 0
			b.ReportAllocs()
			b.ResetTimer()
			writer.Go(func() {
				ticks := time.NewTicker(10 * time.Millisecond)
				defer ticks.Stop()
				for {
					select {
					case <-stop:
						return
					case <-ticks.C:
					}
					for range 1000 {
						if _, err := e.Write(context.Background(), typical(written)); err != nil {
							b.Error(err)
						}
						written++
					}
				}
			})
			for r := range readers {
				reading.Go(func() {
					for n := r; n < b.N; n += readers {
						if _, ok := e.Get("tasks", keys[n%len(keys)]); !ok {
							b.Error("not found")
						}
					}
				})
			}
			reading.Wait()
			b.StopTimer()
			close(stop)
			writer.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
			b.ReportMetric(float64(written)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

// BenchmarkAsOfRead reads a key of so many versions as of points all over its past.
func BenchmarkAsOfRead(b *testing.B) {
	for _, versions := range []int{1, 100, 10_000} {
		second := int64(0)
		l := memory.New(memory.Options{Now: func() time.Time { second++; return time.Unix(second, 0) }})
		b.Cleanup(func() { _ = l.Close() })
		e := benchmarkEngine(b, l)
		for i := range versions {
			f := typical(i)
			f.Key = "k"
			_, err := e.Write(b.Context(), f)
			require.NoError(b, err)
		}
		for i := range versions { // the same with valid times, of which some come late
			f := typical(i)
			f.Key, f.ValidTime = "valid", time.Unix(int64(i*13%versions), 0)
			_, err := e.Write(b.Context(), f)
			require.NoError(b, err)
		}
		b.Run(fmt.Sprint("valid/", versions), func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if _, ok, _ := e.GetAt(b.Context(), "tasks", "valid", store.Moment{Valid: time.Unix(int64(n%versions), 0)}); !ok {
					b.Fatal("not found")
				}
				n += 7919
			}
		})
		for axis, moment := range map[string]func(n int) store.Moment{
			"seq":  func(n int) store.Moment { return store.Moment{Seq: uint64(n)} },
			"time": func(n int) store.Moment { return store.Moment{Time: time.Unix(int64(n), 0)} },
		} {
			b.Run(fmt.Sprint(axis, "/", versions), func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					if _, ok, _ := e.GetAt(b.Context(), "tasks", "k", moment(n%versions+1)); !ok {
						b.Fatal("not found")
					}
					n += 7919
				}
			})
		}
	}
}

// BenchmarkScope reads a scope of 1,000 keys out of 1,000,000, and writes to a store that has ten.
func BenchmarkScope(b *testing.B) {
	const keys, within = 1_000_000, 1000
	l := memory.New(memory.Options{})
	b.Cleanup(func() { _ = l.Close() })
	batch := backend.Batch{}
	for i := range keys {
		batch.Facts = append(batch.Facts, backend.Fact{
			ID: fmt.Sprint("f", i), Store: "s", Key: fmt.Sprintf("key-%07d", i), Value: fmt.Appendf(nil, `{"n":%d,"group":%d}`, i, i%(keys/within)),
		})
		if len(batch.Facts) == 1000 {
			err := l.Write(b.Context(), batch)[0].Err
			require.NoError(b, err)
			batch.Facts = batch.Facts[:0]
		}
	}
	e := benchmarkEngine(b, l)
	scope := func(group int) *store.Scope {
		s, err := e.Scope("s", fmt.Sprint("group ", group), store.Filter{Where: map[store.Field]any{"group": group}})
		require.NoError(b, err)
		s.Build()
		return s
	}
	s := scope(7)
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for range s.List(b.Context(), store.Query{}) {
				n++
			}
			if n != within {
				b.Fatal(n)
			}
		}
	})
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			for range s.List(b.Context(), store.Query{ByKey: true, Limit: 20}) {
			}
		}
	})
	b.Run("by-field", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for range s.List(b.Context(), store.Query{OrderBy: "n", Descending: true, Limit: 20}) {
			}
		}
	})
	b.Run("past", func(b *testing.B) {
		for b.Loop() {
			for range s.List(b.Context(), store.Query{At: store.Moment{Seq: keys - 1}}) {
			}
		}
	})
	for _, scopes := range []int{1, 10} {
		b.Run(fmt.Sprint("write/", scopes), func(b *testing.B) {
			e := benchmarkEngine(b, newLog(b))
			for i := range scopes {
				s, err := e.Scope("tasks", fmt.Sprint(i), store.Filter{Where: map[store.Field]any{"priority": i}})
				require.NoError(b, err)
				f := typical(0)
				_, err = e.Write(b.Context(), f)
				require.NoError(b, err)
				s.Build()
			}
			n := 0
			for b.Loop() {
				_, err := e.Write(b.Context(), typical(n))
				require.NoError(b, err)
				n++
			}
		})
	}
}

// BenchmarkWatch measures the time from a write to the event at a watcher, for writes of the same engine and of
// another engine on the log.
func BenchmarkWatch(b *testing.B) {
	for _, writer := range []string{"own", "other"} {
		b.Run(writer, func(b *testing.B) {
			l := newLog(b)
			e := benchmarkEngine(b, l)
			from := e
			if writer == "other" {
				from = benchmarkEngine(b, l)
			}
			s, err := e.Scope("tasks", "s", store.Filter{})
			require.NoError(b, err)
			seen := make(chan uint64)
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				for event, err := range s.Watch(ctx, 0) {
					if err != nil {
						return
					}
					seen <- event.Record.Seq()
				}
			})
			n := 0
			for b.Loop() {
				f, err := from.Write(b.Context(), typical(n))
				if err != nil || <-seen != f.Seq {
					b.Fatal(err)
				}
				n++
			}
			cancel()
			wg.Wait()
		})
	}
}
