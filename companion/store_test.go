// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
)

var registered atomic.Int64

// register registers a backend under a new name, and returns the name.
func register(opener backend.Opener) string {
	name := fmt.Sprint("test-", registered.Add(1))
	backend.Register(name, opener)
	return name
}

func TestClosedStores(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	given, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	opened, err := companion.Open(t.Context(), companion.Options{Backend: "memory"})
	require.NoError(t, err)
	for _, s := range []*companion.Store{given, opened} {
		tasks := tasksOf(t, s)
		notes, err := companion.NewEvents[string](s, "notes")
		require.NoError(t, err)
		_, err = tasks.Put(t.Context(), "k", Task{Title: "kept"})
		require.NoError(t, err)
		_, err = notes.Append(t.Context(), "kept")
		require.NoError(t, err)

		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.NoError(t, s.Close())

		_, put := tasks.Put(t.Context(), "k", Task{})
		_, deleted := tasks.Delete(t.Context(), "k")
		_, appended := notes.Append(t.Context(), "n")
		_, empty := s.Write(t.Context())
		_, one := s.Write(t.Context(), tasks.Change("k", Task{}))
		_, conditional := s.Write(t.Context(), tasks.Change("l", Task{}).IfNew())
		_, two := s.Write(t.Context(), tasks.Change("k", Task{}), notes.Event("n"))
		for i, err := range []error{put, deleted, appended, empty, one, conditional, two} {
			require.ErrorIs(t, err, backend.ErrClosed, i)
		}
		r, err := tasks.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "kept", r.Value.Title)
		require.Len(t, collect(t, tasks.List(t.Context(), companion.Query{})), 1)
		require.Len(t, collect(t, tasks.History(t.Context(), "k", companion.Moment{})), 1)
		require.Len(t, collect(t, notes.Since(t.Context(), 0)), 1)
		require.Equal(t, uint64(2), s.Head())
	}
	stats, err := log.Stats(t.Context())
	require.NoError(t, err, "the backend that was given is still open")
	require.Equal(t, uint64(2), stats.Facts)
	require.ErrorIs(t, opened.Snapshot(t.Context()), backend.ErrClosed)

	again, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	defer again.Close()
	r, err := tasksOf(t, again).Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "kept", r.Value.Title, "a Store opened later shows what was written before")
}

// Stores that share a log show it in the same order.
func TestStoresAgree(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	const stores, writers, each = 2, 4, 50
	var histories [stores]*companion.Events[string]
	var opened [stores]*companion.Store
	var wg sync.WaitGroup
	for i := range opened {
		s, err := companion.New(t.Context(), log, companion.Options{})
		require.NoError(t, err)
		defer s.Close()
		opened[i] = s
		histories[i], err = companion.NewEvents[string](s, "notes")
		require.NoError(t, err)
	}
	for i, h := range histories {
		for w := range writers {
			wg.Go(func() {
				for n := range each {
					receipt, err := h.Append(t.Context(), fmt.Sprint(i, " ", w, " ", n))
					if err != nil {
						t.Error(err)
						return
					}
					if head := opened[i].Head(); head < receipt.Seq {
						t.Errorf("head is %d after seq %d was written", head, receipt.Seq)
					}
				}
			})
		}
	}
	wg.Wait()
	var seen [stores][]companion.Record[string]
	for i, s := range opened {
		require.NoError(t, s.Engine().WaitFor(t.Context(), stores*writers*each))
		seen[i] = collect(t, histories[i].Since(t.Context(), 0))
	}
	require.Len(t, seen[0], stores*writers*each)
	require.Equal(t, seen[0], seen[1])
	for n, r := range seen[0] {
		require.Equal(t, uint64(n)+1, r.Seq)
	}
}

// Every head is a state that the log was in: no reader sees a part of a write, whichever Store wrote it.
func TestHeadsAreWholeWrites(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	var records [2]*companion.Records[int]
	var stores [2]*companion.Store
	for i := range stores {
		s, err := companion.New(t.Context(), log, companion.Options{})
		require.NoError(t, err)
		defer s.Close()
		stores[i] = s
		records[i], err = companion.NewRecords[int](s, "numbers")
		require.NoError(t, err)
	}
	const writes, keys = 200, 5
	var writing sync.WaitGroup
	defer writing.Wait()
	for i, s := range stores {
		writing.Go(func() {
			for n := range writes {
				var changes []companion.Change
				for key := range keys {
					changes = append(changes, records[i].Change(fmt.Sprint(key), 2*n+i))
				}
				if _, err := s.Write(t.Context(), changes...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i, s := range stores {
		for s.Head() < 2*writes*keys {
			at := companion.AsOf(s.Head())
			all := collect(t, records[i].List(t.Context(), companion.Query{At: at}))
			if at != companion.AsOf(0) {
				require.Len(t, all, keys)
			}
			for _, r := range all {
				require.Equal(t, all[0].Value, r.Value, at)
			}
			require.NoError(t, s.WaitFor(t.Context(), at.Seq+1))
		}
	}
}

// SinceTime and GetAt compare transaction times to the nanosecond.
func TestTimes(t *testing.T) {
	now := time.Unix(1000, 0).UTC()
	log := memory.New(memory.Options{Now: func() time.Time { now = now.Add(2); return now }})
	defer log.Close()
	s, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	defer s.Close()
	notes, err := companion.NewEvents[int](s, "notes")
	require.NoError(t, err)
	numbers, err := companion.NewRecords[int](s, "numbers")
	require.NoError(t, err)
	var times []time.Time
	for i := range 5 {
		written, err := s.Write(t.Context(), notes.Event(i), numbers.Change("k", i))
		require.NoError(t, err)
		require.Equal(t, now, written[1].Time)
		times = append(times, now)
	}
	for i, at := range times {
		for late, want := range []int{5 - i, 4 - i} {
			events := collect(t, notes.SinceTime(t.Context(), at.Add(time.Duration(late))))
			require.Len(t, events, want)
			for n, e := range events {
				require.Equal(t, 5-want+n, e.Value)
			}
			r, err := numbers.GetAt(t.Context(), "k", companion.Moment{Time: at.Add(time.Duration(late))})
			require.NoError(t, err)
			require.Equal(t, i, r.Value)
		}
	}
	_, err = numbers.GetAt(t.Context(), "k", companion.Moment{Time: times[0].Add(-3)})
	require.ErrorIs(t, err, companion.ErrNotFound)
}

// A lame log fails to be followed with a permanent error, and records the calls of WriteSnapshot.
type lame struct {
	backend.Log
	through []uint64
}

func (l *lame) Follow(context.Context, backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		yield(backend.Page{}, &backend.CorruptError{Reason: "test"})
	}
}

func (l *lame) WriteSnapshot(ctx context.Context, through uint64) error {
	l.through = append(l.through, through)
	return l.Log.WriteSnapshot(ctx, through)
}

func TestLoggerAndSnapshot(t *testing.T) {
	core, logged := observer.New(zap.WarnLevel)
	var log *lame
	name := register(func(context.Context, backend.Config) (backend.Backend, error) {
		log = &lame{Log: memory.New(memory.Options{})}
		return log, nil
	})
	s, err := companion.Open(t.Context(), companion.Options{Backend: name, Logger: zap.New(core)})
	require.NoError(t, err)
	defer s.Close()
	require.ErrorIs(t, s.Engine().WaitFor(t.Context(), 1), backend.ErrCorrupt)
	require.Equal(t, 1, logged.FilterMessageSnippet("no longer followed").Len())
	_, err = tasksOf(t, s).Put(t.Context(), "k", Task{})
	require.ErrorIs(t, err, backend.ErrCorrupt, "an engine that follows no more writes no more")

	require.NoError(t, s.Snapshot(t.Context()))
	require.Equal(t, []uint64{0}, log.through)
}
