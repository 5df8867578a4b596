package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store"
)

// A valuesLog is a log in memory that notes which stores are read from it, and that can be made to end a Follow.
type valuesLog struct {
	*memory.Log
	broken chan struct{} // ends the Follow that receives from it
	failed error         // what that Follow ends with

	mu     sync.Mutex
	stores []string
}

func (l *valuesLog) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	l.mu.Lock()
	l.stores = append(l.stores, r.Stores...)
	l.mu.Unlock()
	return l.Log.Replay(ctx, r)
}

func (l *valuesLog) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		within, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		defer func() { cancel(); <-ended }()
		go func() {
			defer close(ended)
			select {
			case <-l.broken:
				cancel()
			case <-within.Done():
			}
		}()
		for page, err := range l.Log.Follow(within, r) {
			if err != nil && ctx.Err() == nil {
				err = l.failed
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

// valuesTest is an engineValues over such a log.
type valuesTest struct {
	*testing.T
	log *valuesLog
	*engineValues
	n int
}

func newValuesTest(t *testing.T) *valuesTest {
	log := &valuesLog{Log: memory.New(memory.Options{}), broken: make(chan struct{}), failed: &backend.CorruptError{Reason: "wrong CRC"}}
	x := &valuesTest{T: t, log: log, engineValues: newEngineValues(log)}
	t.Cleanup(func() {
		require.NoError(t, x.close())
		require.NoError(t, x.close())
		_, _, err := x.Get(context.Background(), "a", "k", web.Moment{})
		require.ErrorIs(t, err, backend.ErrClosed)
		require.NoError(t, log.Close())
		goleak.VerifyNone(t)
	})
	return x
}

func (x *valuesTest) write(store, value string) backend.Fact {
	x.Helper()
	x.n++
	f, err := x.log.WriteFact(x.Context(), backend.Fact{ID: fmt.Sprint(x.n), Store: store, Key: "k", Value: []byte(value)})
	require.NoError(x, err)
	return f
}

// requireValue requires that a store's key has a value; "": it has none.
func (x *valuesTest) requireValue(want, store string, at web.Moment) {
	x.Helper()
	f, ok, err := x.Get(x.Context(), store, "k", at)
	require.NoError(x, err)
	require.Equal(x, want, string(f.Value))
	require.Equal(x, want != "", ok)
}

// TestValuesLoadStores: a store is read from the log when it is first asked for, once, and what is acknowledged is seen at once.
func TestValuesLoadStores(t *testing.T) {
	x := newValuesTest(t)
	for _, store := range []string{"a", "b", "c"} {
		x.write(store, "1")
	}
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			if f, ok, err := x.Get(t.Context(), "b", "k", web.Moment{}); string(f.Value) != "1" || !ok || err != nil {
				t.Errorf("%s, %v, %v", f.Value, ok, err)
			}
		})
	}
	clients.Wait()
	x.write("b", "2")
	x.write("a", "3")
	x.requireValue("2", "b", web.Moment{})
	x.requireValue("3", "a", web.Moment{})
	x.requireValue("1", "a", web.Moment{Seq: 4})
	for i := range 100 {
		x.write("a", fmt.Sprint(i))
		x.requireValue(fmt.Sprint(i), "a", web.Moment{})
	}
	_, _, err := x.Get(t.Context(), strings.Repeat("x", 300), "k", web.Moment{})
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.Equal(t, []string{"b", "a"}, slices.DeleteFunc(x.log.stores, func(name string) bool { return name == store.CompactionStore }))
}

// TestValuesNow: what is valid now shows though the log's time is ahead of the clock.
func TestValuesNow(t *testing.T) {
	x := newValuesTest(t)
	_, err := x.log.WriteFact(t.Context(), backend.Fact{ID: "ahead", Store: "a", Key: "k", Value: []byte("1"), TransactionTime: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	x.write("a", "2")
	x.requireValue("2", "a", web.Moment{ValidNow: true})
	x.requireValue("1", "a", web.Moment{ValidNow: true, Seq: 1})
}

// TestValuesPruned: facts at the log's end that are pruned before they are read are not waited for.
func TestValuesPruned(t *testing.T) {
	x := newValuesTest(t)
	x.write("a", "1")
	_, err := x.log.Prune(t.Context(), slices.Values([]uint64{x.write("a", "2").Seq}), backend.Horizon{})
	require.NoError(t, err)
	x.requireValue("1", "a", web.Moment{})
}

// TestValuesReopen: an engine that has failed is replaced.
func TestValuesReopen(t *testing.T) {
	x := newValuesTest(t)
	x.write("a", "1")
	x.requireValue("1", "a", web.Moment{})
	first := x.current
	x.log.broken <- struct{}{}
	require.Eventually(t, func() bool { return first.engine.Err() != nil }, patience, 1)
	x.write("a", "2")
	x.requireValue("2", "a", web.Moment{})
	require.NotSame(t, first, x.current)
}
