// SPDX-License-Identifier: Apache-2.0

package backend_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// A gate is a Log's Write that waits until the test opens it, and records its calls.
type gate struct {
	begun chan int // how many batches a call has
	open  chan struct{}
	mu    sync.Mutex
	keys  []string
}

func newGate() *gate { return &gate{begun: make(chan int, 100), open: make(chan struct{})} }

func (g *gate) write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	g.begun <- len(batches)
	select {
	case <-g.open:
	case <-ctx.Done():
		return backend.Refused(len(batches), ctx.Err())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]backend.Written, len(batches))
	for i, b := range batches {
		if len(b.Facts) == 0 || b.Facts[0].Key == "bad" {
			all[i].Err = backend.ErrFull
			continue
		}
		g.keys = append(g.keys, b.Facts[0].Key)
		all[i] = backend.Written{Facts: b.Facts, First: uint64(len(g.keys))}
	}
	return all
}

func keyed(key string) backend.Batch { return backend.Batch{Facts: []backend.Fact{{Key: key}}} }

func TestAsync(t *testing.T) {
	g := newGate()
	a := backend.NewAsync(t.Context(), g.write)
	take := func(key string) backend.Pending {
		p, err := a.Write(t.Context(), keyed(key))
		require.NoError(t, err)
		return p
	}
	first := take("1")
	require.Equal(t, 1, <-g.begun)
	later := []backend.Pending{take("2"), take("bad"), take("3")}
	select {
	case <-first.Done():
		t.Fatal("it is not written yet")
	default:
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, later[0].Wait(done).Err, context.Canceled)
	close(g.open)
	require.Equal(t, uint64(1), first.Wait(t.Context()).First)
	require.Equal(t, 3, <-g.begun, "what came meanwhile is one call")
	require.ErrorIs(t, later[1].Wait(t.Context()).Err, backend.ErrFull)
	w := later[2].Wait(done) // it is already written, so the ended context does not matter
	require.NoError(t, w.Err)
	require.Equal(t, "3", w.Facts[0].Key)
	<-later[0].Done()
	last := take("4")
	a.Close()
	<-last.Done()
	require.Equal(t, []string{"1", "2", "3", "4"}, g.keys)
	_, err := a.Write(t.Context(), keyed("5"))
	require.ErrorIs(t, err, backend.ErrClosed)
	a.Close()
}

func TestAsyncIsBounded(t *testing.T) {
	g := newGate()
	a := backend.NewAsync(t.Context(), g.write)
	half := backend.Batch{Facts: []backend.Fact{{Key: "half", Value: make([]byte, backend.MaxAsync/2)}}}
	large := backend.Batch{Facts: []backend.Fact{{Key: "large", Value: make([]byte, 2*backend.MaxAsync)}}}
	_, err := a.Write(t.Context(), half)
	require.NoError(t, err)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = a.Write(done, half)
	require.ErrorIs(t, err, context.Canceled, "with it more than the limit would be pending")
	go close(g.open)
	_, err = a.Write(t.Context(), half)
	require.NoError(t, err, "there is room again")
	p, err := a.Write(t.Context(), large)
	require.NoError(t, err, "one that is larger than the limit goes alone")
	require.NoError(t, p.Wait(t.Context()).Err)

	shut := newGate()
	full := backend.NewAsync(t.Context(), shut.write)
	_, err = full.Write(t.Context(), large)
	require.NoError(t, err)
	waits := make(chan error)
	go func() {
		_, err := full.Write(t.Context(), half)
		waits <- err
	}()
	go full.Close()
	require.ErrorIs(t, <-waits, backend.ErrClosed)
	close(shut.open)
	full.Close()
}

func TestAsyncEndsWithContext(t *testing.T) {
	g := newGate()
	ctx, cancel := context.WithCancel(t.Context())
	a := backend.NewAsync(ctx, g.write)
	p, err := a.Write(t.Context(), keyed("1"))
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, p.Wait(t.Context()).Err, context.Canceled)
	a.Close()
	require.Empty(t, g.keys)
}

func TestAsyncOfManyGoroutines(t *testing.T) {
	g := newGate()
	g.begun = make(chan int, 10_000)
	close(g.open)
	a := backend.NewAsync(t.Context(), g.write)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 500 {
				key := fmt.Sprint(n, "-", i)
				p, err := a.Write(t.Context(), keyed(key))
				if err != nil || i%100 == 0 && p.Wait(t.Context()).Facts[0].Key != key {
					t.Error(key, err)
				}
			}
		})
	}
	all.Wait()
	a.Close()
	require.Len(t, g.keys, 4000)
	next := map[string]int{}
	for _, key := range g.keys {
		var n string
		var i int
		_, err := fmt.Sscanf(key, "%1s-%d", &n, &i)
		require.NoError(t, err)
		require.Equal(t, next[n], i, "each goroutine's writes stay in their order")
		next[n]++
	}
}
