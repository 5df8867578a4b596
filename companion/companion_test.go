// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type Task struct {
	Title string  `json:"title"`
	N     int64   `json:"n,omitempty"`
	X     float64 `json:"x,omitempty"`
	Tag   *string `json:"tag,omitempty"`
}

func openStore(t testing.TB) *companion.Store {
	s, err := companion.Open(context.Background(), companion.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func tasksOf(t testing.TB, s *companion.Store) *companion.Records[Task] {
	tasks, err := companion.NewRecords[Task](s, "tasks")
	require.NoError(t, err)
	return tasks
}

func collect[T any](t testing.TB, records iter.Seq2[companion.Record[T], error]) []companion.Record[T] {
	var all []companion.Record[T]
	for r, err := range records {
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

func TestRecords(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	empty := ""
	given := Task{Title: "<b>é & \u2028</b>", N: math.MaxInt64, X: 1e-7, Tag: &empty}
	start := time.Now()
	first, err := tasks.Put(t.Context(), "k", given)
	require.NoError(t, err)
	hash, err := wire.Hash([]byte(`{"title":"<b>é & \u2028</b>","n":9223372036854775807,"x":1e-7,"tag":""}`))
	require.NoError(t, err)
	require.Equal(t, hash, first.Hash)
	require.Equal(t, uint64(1), first.Seq)
	require.Empty(t, first.Causation)
	require.False(t, first.Time.Before(start.Round(0)))
	require.Regexp(t, "^[0-9a-f]{8}-[0-9a-f]{4}-7", first.ID)

	r, err := tasks.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, companion.Record[Task]{Receipt: first, Key: "k", Value: given, Version: 1, Schema: 1}, r)

	second, err := tasks.Put(t.Context(), "k", Task{})
	require.NoError(t, err)
	require.Equal(t, first.ID, second.Causation)
	r, err = tasks.Get(t.Context(), "k")
	require.NoError(t, err, "a zero value is a value")
	require.Equal(t, Task{}, r.Value)
	gone, err := tasks.Delete(t.Context(), "k")
	require.NoError(t, err)
	for _, key := range []string{"k", "never", ""} {
		_, err = tasks.Get(t.Context(), key)
		require.ErrorIs(t, err, companion.ErrNotFound)
		require.ErrorContains(t, err, fmt.Sprintf("%q", key))
	}
	back, err := tasks.Put(t.Context(), "k", Task{Title: "back"})
	require.NoError(t, err)
	require.Equal(t, gone.ID, back.Causation)

	for _, m := range []companion.Moment{{Seq: 1}, {Time: first.Time}} {
		r, err = tasks.GetAt(t.Context(), "k", m)
		require.NoError(t, err)
		require.Equal(t, first.ID, r.ID)
	}
	_, err = tasks.GetAt(t.Context(), "k", companion.Moment{Seq: 3})
	require.ErrorIs(t, err, companion.ErrNotFound)

	history := collect(t, tasks.History(t.Context(), "k", companion.Moment{}))
	require.Len(t, history, 4)
	for i, want := range []companion.Receipt{first, second, gone, back} {
		require.Equal(t, want, history[i].Receipt)
		require.Equal(t, i+1, history[i].Version)
		require.Equal(t, i == 2, history[i].Retracted)
	}
	_, err = tasks.Put(t.Context(), "l", Task{Title: "l"})
	require.NoError(t, err)
	require.Len(t, collect(t, tasks.List(t.Context(), companion.Query{})), 2)
	require.Len(t, collect(t, tasks.List(t.Context(), companion.Query{At: companion.Moment{Seq: 1}})), 1)
	require.Empty(t, collect(t, tasks.List(t.Context(), companion.Query{At: companion.Moment{Seq: 3}})))
}

func TestValidTime(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	receipts, err := s.Write(t.Context(), tasks.Change("k", Task{Title: "old"}).ValidFrom(day(1)), tasks.Change("k", Task{Title: "new"}).ValidFrom(day(10)))
	require.NoError(t, err)
	corrected, err := s.Write(t.Context(), tasks.Change("k", Task{Title: "corrected"}).ValidFrom(day(1)))
	require.NoError(t, err)
	for _, c := range []struct {
		m    companion.Moment
		want string
	}{
		{companion.Moment{Valid: day(5)}, "corrected"},
		{companion.Moment{Valid: day(5), Seq: receipts[1].Seq}, "old"},
		{companion.Moment{Valid: day(15)}, "new"},
		{companion.Moment{}, "corrected"},
	} {
		r, err := tasks.GetAt(t.Context(), "k", c.m)
		require.NoError(t, err)
		require.Equal(t, c.want, r.Value.Title, "%+v", c.m)
	}
	r, err := tasks.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, day(1), r.ValidTime)
	require.Equal(t, corrected[0].ID, r.ID)
	_, err = tasks.GetAt(t.Context(), "k", companion.Moment{Valid: day(1).Add(-1)})
	require.ErrorIs(t, err, companion.ErrNotFound)
}

func TestWhatCannotBeWritten(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	var invalid *backend.InvalidError
	_, err := tasks.Put(t.Context(), "", Task{})
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "key", invalid.Field)
	_, err = tasks.Delete(t.Context(), "")
	require.ErrorIs(t, err, backend.ErrInvalid)
	pointers, err := companion.NewRecords[*Task](s, "tasks")
	require.NoError(t, err)
	_, err = pointers.Put(t.Context(), "k", nil)
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "value", invalid.Field)
	floats, err := companion.NewEvents[*float64](s, "tasks")
	require.NoError(t, err)
	_, err = floats.Append(t.Context(), new(math.NaN()))
	require.Error(t, err)
	_, err = s.Write(t.Context(), tasks.Change("k", Task{}), tasks.Change("l", Task{}).DerivedFrom(make(chan int)))
	require.ErrorContains(t, err, "change 1: backend: invalid derivation")
	_, err = tasks.Put(companion.WithProducer(t.Context(), math.Inf(1)), "k", Task{})
	require.ErrorContains(t, err, "producer")
	for _, name := range []string{"", "\xff", string(make([]byte, 257))} {
		_, err := companion.NewRecords[Task](s, name)
		require.ErrorIs(t, err, backend.ErrInvalid)
		_, err = companion.NewEvents[Task](s, name)
		require.ErrorIs(t, err, backend.ErrInvalid)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = tasks.Put(ctx, "k", Task{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = tasks.Get(ctx, "k")
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, s.Head(), "nothing was written")
}

func TestValuesOfAnotherShape(t *testing.T) {
	s := openStore(t)
	numbers, err := companion.NewRecords[int](s, "tasks")
	require.NoError(t, err)
	receipt, err := numbers.Put(t.Context(), "k", 5)
	require.NoError(t, err)
	tasks := tasksOf(t, s)
	_, err = tasks.Get(t.Context(), "k")
	for _, part := range []string{receipt.ID, `"k"`, `"tasks"`, "companion_test.Task"} {
		require.ErrorContains(t, err, part)
	}
	n := 0
	for r, err := range tasks.List(t.Context(), companion.Query{}) {
		require.Error(t, err)
		require.Equal(t, "k", r.Key)
		require.Zero(t, r.Value)
		n++
	}
	require.Equal(t, 1, n)
}

func TestWriteIsAllOrNothing(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	notes, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	receipts, err := s.Write(t.Context(), tasks.Change("a", Task{Title: "1"}).IfNew(), tasks.Change("b", Task{Title: "2"}).DerivedFrom([]string{"x"}), notes.Event("both"))
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2, 3}, []uint64{receipts[0].Seq, receipts[1].Seq, receipts[2].Seq})
	r, err := tasks.Get(t.Context(), "b")
	require.NoError(t, err)
	require.JSONEq(t, `["x"]`, string(r.Derivation))

	var conflict *backend.ConflictError
	_, err = s.Write(t.Context(), tasks.Change("c", Task{}), tasks.Change("a", Task{}).IfNew())
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, receipts[0].ID, conflict.Latest)
	_, err = s.Write(t.Context(), tasks.Deletion("b").IfLatest(receipts[1].ID), tasks.Change("a", Task{Title: "3"}).IfLatest(receipts[0].ID))
	require.NoError(t, err)
	_, err = tasks.Get(t.Context(), "b")
	require.ErrorIs(t, err, companion.ErrNotFound)
	_, err = s.Write(t.Context(), tasks.Change("b", Task{}).IfNew())
	require.ErrorIs(t, err, backend.ErrConflict, "a retracted key had a fact")
	none, err := s.Write(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
	require.Equal(t, uint64(5), s.Head())
	require.NoError(t, s.Snapshot(t.Context()))
}

func TestHistory(t *testing.T) {
	s := openStore(t)
	notes, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	var receipts []companion.Receipt
	for i := range 5 {
		r, err := notes.Append(t.Context(), fmt.Sprint(i))
		require.NoError(t, err)
		receipts = append(receipts, r)
	}
	dated, err := s.Write(t.Context(), notes.Event("dated").ValidFrom(time.Unix(5, 0)))
	require.NoError(t, err)
	events := collect(t, notes.Since(t.Context(), 0))
	require.Len(t, events, 6)
	keys := map[string]bool{}
	for i, e := range events[:5] {
		require.Equal(t, fmt.Sprint(i), e.Value)
		require.Equal(t, receipts[i], e.Receipt)
		keys[e.Key] = true
	}
	require.Len(t, keys, 5)
	require.Equal(t, time.Unix(5, 0).UTC(), events[5].ValidTime)
	require.Equal(t, dated[0], events[5].Receipt)
	require.Equal(t, events[3:], collect(t, notes.Since(t.Context(), receipts[2].Seq)))
	require.Subset(t, collect(t, notes.SinceTime(t.Context(), receipts[3].Time)), events[3:])
	require.Empty(t, collect(t, notes.SinceTime(t.Context(), time.Now().Add(time.Hour))))
}

func TestTwoStoresOnOneLog(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	one, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	other, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	defer other.Close()
	receipt, err := tasksOf(t, one).Put(t.Context(), "k", Task{Title: "shared"})
	require.NoError(t, err)
	require.NoError(t, other.Engine().WaitFor(t.Context(), receipt.Seq))
	r, err := tasksOf(t, other).Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, receipt, r.Receipt)

	require.NoError(t, one.Close())
	require.NoError(t, one.Close())
	_, err = tasksOf(t, one).Put(t.Context(), "k", Task{})
	require.ErrorIs(t, err, backend.ErrClosed)
	_, err = tasksOf(t, one).Get(t.Context(), "k")
	require.NoError(t, err, "reading goes on from memory")
	_, err = tasksOf(t, other).Put(t.Context(), "k", Task{})
	require.NoError(t, err, "the backend is still open")
}

func TestOpenedStoresCloseTheirBackend(t *testing.T) {
	log := memory.New(memory.Options{})
	name := register(func(context.Context, backend.Config) (backend.Backend, error) { return log, nil })
	s, err := companion.Open(t.Context(), companion.Options{Backend: name})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = log.Stats(t.Context())
	require.ErrorIs(t, err, backend.ErrClosed)
	require.NoError(t, s.Close())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	log = memory.New(memory.Options{})
	_, err = companion.Open(ctx, companion.Options{Backend: name})
	require.ErrorIs(t, err, context.Canceled)
	_, err = log.Stats(t.Context())
	require.ErrorIs(t, err, backend.ErrClosed, "what could not be used is closed")
}

// Many goroutines count in one record with conditional writes, and no count is lost.
func TestConditionalCounting(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	const goroutines, each = 16, 50
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for done := 0; done < each; {
				change := tasks.Change("n", Task{N: 1}).IfNew()
				if r, err := tasks.Get(t.Context(), "n"); err == nil {
					change = tasks.Change("n", Task{N: r.Value.N + 1}).IfLatest(r.ID)
				}
				_, err := s.Write(t.Context(), change)
				if err == nil {
					done++
				} else if !errors.Is(err, backend.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	r, err := tasks.Get(t.Context(), "n")
	require.NoError(t, err)
	require.Equal(t, int64(goroutines*each), r.Value.N)
	require.Equal(t, goroutines*each, r.Version)
}
