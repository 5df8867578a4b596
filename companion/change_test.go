// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/companion/companiontest"
)

// The methods of a Change return a changed copy and leave the original as it was.
func TestChangesAreValues(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	plain := tasks.Change("k", Task{Title: "plain"})
	dated := plain.ValidFrom(time.Unix(1, 0)).DerivedFrom("something")
	wrong := plain.DerivedFrom(make(chan int))
	conditional := plain.IfNew()
	receipts, err := s.Write(t.Context(), plain)
	require.NoError(t, err)
	_, err = s.Write(t.Context(), wrong)
	require.ErrorIs(t, err, backend.ErrInvalid)
	require.ErrorContains(t, err, "derivation")
	_, err = s.Write(t.Context(), conditional)
	require.ErrorIs(t, err, backend.ErrConflict)
	_, err = s.Write(t.Context(), dated.IfLatest(receipts[0].ID))
	require.NoError(t, err)
	_, err = s.Write(t.Context(), plain)
	require.NoError(t, err, "written again, it is another fact with the same value")
	history := collect(t, tasks.History(t.Context(), "k", companion.Moment{}))
	require.Len(t, history, 3)
	for i, r := range history {
		require.Equal(t, Task{Title: "plain"}, r.Value)
		require.Equal(t, i == 1, !r.ValidTime.IsZero())
		require.Equal(t, i == 1, r.Derivation != nil)
	}
	require.Equal(t, json.RawMessage(`"something"`), history[1].Derivation)
}

// If one condition does not hold, nothing is written, in any store.
func TestConflicts(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	numbers, err := companion.NewRecords[int](s, "numbers")
	require.NoError(t, err)
	notes, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	first, err := tasks.Put(t.Context(), "k", Task{Title: "1"})
	require.NoError(t, err)
	second, err := tasks.Put(t.Context(), "k", Task{Title: "2"})
	require.NoError(t, err)
	for _, c := range []struct {
		change companion.Change
		want   backend.ConflictError
	}{
		{tasks.Change("k", Task{}).IfNew(), backend.ConflictError{Store: "tasks", Key: "k", Latest: second.ID}},
		{tasks.Change("k", Task{}).IfLatest(first.ID), backend.ConflictError{Store: "tasks", Key: "k", Expected: first.ID, Latest: second.ID}},
		{tasks.Deletion("k").IfLatest(first.ID), backend.ConflictError{Store: "tasks", Key: "k", Expected: first.ID, Latest: second.ID}},
		{tasks.Change("other", Task{}).IfLatest(second.ID), backend.ConflictError{Store: "tasks", Key: "other", Expected: second.ID}},
		{numbers.Change("k", 1).IfLatest(second.ID), backend.ConflictError{Store: "numbers", Key: "k", Expected: second.ID}},
	} {
		for _, changes := range [][]companion.Change{
			{c.change},
			{numbers.Change("n", 1).IfNew(), notes.Event("n"), c.change},
			{c.change, notes.Event("n"), tasks.Change("new", Task{})},
		} {
			receipts, err := s.Write(t.Context(), changes...)
			var conflict *backend.ConflictError
			require.ErrorAs(t, err, &conflict)
			require.ErrorIs(t, err, backend.ErrConflict)
			require.Equal(t, c.want, *conflict)
			require.Nil(t, receipts)
		}
	}
	require.Equal(t, second.Seq, s.Head(), "nothing was written")
	require.Equal(t, []string{"tasks"}, s.Engine().Stores())
}

// Changes of one key in the same write follow each other, and their conditions apply to the state before the write.
func TestOneKeyTwice(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	before, err := tasks.Put(t.Context(), "k", Task{})
	require.NoError(t, err)
	receipts, err := s.Write(t.Context(),
		tasks.Change("k", Task{Title: "1"}).IfLatest(before.ID), tasks.Deletion("k"), tasks.Change("k", Task{Title: "2"}).IfLatest(before.ID))
	require.NoError(t, err)
	cause := before.ID
	for i, r := range receipts {
		require.Equal(t, cause, r.Causation)
		require.Equal(t, before.Seq+uint64(i)+1, r.Seq)
		cause = r.ID
	}
	r, err := tasks.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, receipts[2], r.Receipt)
	require.Equal(t, "2", r.Value.Title)
}

// Writing the change of an event several times adds one event.
func TestEventsAreWrittenOnce(t *testing.T) {
	s := openStore(t)
	notes, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	event := notes.Event("once")
	first, err := s.Write(t.Context(), event)
	require.NoError(t, err)
	again, err := s.Write(t.Context(), event)
	require.NoError(t, err)
	require.Equal(t, first, again)
	both, err := s.Write(t.Context(), event, notes.Event("once"))
	require.NoError(t, err)
	require.Equal(t, first[0], both[0])
	require.Equal(t, []companion.Record[string]{
		{Receipt: first[0], Key: first[0].ID, Value: "once", Version: 1, Schema: 1},
		{Receipt: both[1], Key: both[1].ID, Value: "once", Version: 1, Schema: 1},
	}, collect(t, notes.Since(t.Context(), 0)))
	require.Empty(t, both[1].Causation)
}

// A single change without a condition works on a backend that writes no batches.
func TestBackendsWithoutBatches(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	s, err := companion.New(t.Context(), struct{ backend.Backend }{log}, companion.Options{})
	require.NoError(t, err)
	defer s.Close()
	tasks := tasksOf(t, s)
	dated, err := s.Write(t.Context(), tasks.Change("k", Task{Title: "dated"}).ValidFrom(time.Unix(7, 0)))
	require.NoError(t, err)
	r, err := tasks.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, dated[0], r.Receipt)
	require.Equal(t, time.Unix(7, 0).UTC(), r.ValidTime)
	for _, changes := range [][]companion.Change{
		{tasks.Change("l", Task{}).IfNew()},
		{tasks.Deletion("k"), tasks.Change("l", Task{})},
	} {
		_, err := s.Write(t.Context(), changes...)
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	_, err = tasks.Delete(t.Context(), "l")
	require.NoError(t, err)
	require.Equal(t, uint64(2), s.Head())
}

func TestWritesThatCannotBe(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	_, err := s.Write(t.Context(), companion.Change{})
	require.ErrorIs(t, err, backend.ErrInvalid)
	_, err = s.Write(t.Context(), tasks.Change("k", Task{}).ValidFrom(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)))
	require.ErrorContains(t, err, "valid_time")
	notes, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	cycle := map[string]any{}
	cycle["self"] = cycle
	for _, p := range []any{make(chan int), cycle, json.RawMessage("{"), json.RawMessage(`{"a":1,"a":2}`)} {
		ctx := companion.WithProducer(t.Context(), p)
		_, put := tasks.Put(ctx, "k", Task{})
		_, deleted := tasks.Delete(ctx, "k")
		_, appended := notes.Append(ctx, "n")
		_, written := s.Write(ctx, tasks.Change("k", Task{}), notes.Event("n"))
		for _, err := range []error{put, deleted, appended, written} {
			var invalid *backend.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Regexp(t, `^(facts\[0\]\.)?producer$`, invalid.Field)
		}
		_, err = tasks.Get(ctx, "k")
		require.ErrorIs(t, err, companion.ErrNotFound, "reading asks for no producer")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, changes := range [][]companion.Change{{notes.Event("n")}, {notes.Event("n"), tasks.Deletion("k")}} {
		_, err = s.Write(ctx, changes...)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Zero(t, s.Head())

	bad := companion.WithProducer(t.Context(), make(chan int))
	_, err = tasks.Put(companion.WithProducer(bad, "good"), "k", Task{})
	require.NoError(t, err, "an inner producer replaces a bad one")
	receipts, err := s.Write(companion.WithProducer(t.Context(), 1), tasks.Deletion("k"), notes.Event("n"))
	require.NoError(t, err)
	for r, err := range s.Engine().Facts(t.Context(), "notes", 0) {
		require.NoError(t, err)
		require.Equal(t, "1", string(r.Producer()), fmt.Sprint(receipts))
	}
	require.Equal(t, "1", string(s.Engine().Latest("tasks", "k").Producer()))
}

// A change with an ID is written once, however often Write is called with it, also if it has a condition.
func TestWithID(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	change := tasks.Change("k", Task{Title: "once"}).IfNew().WithID("request-1")
	first, err := s.Write(t.Context(), change)
	require.NoError(t, err)
	require.Equal(t, "request-1", first[0].ID)
	again, err := s.Write(t.Context(), change)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, uint64(1), s.Head())
	_, err = s.Write(t.Context(), tasks.Change("k", Task{Title: "other"}).WithID("request-1"))
	require.ErrorIs(t, err, companion.ErrIDReused)

	notes, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	for range 2 { // as an app does that was restarted and gets the request again
		receipts, err := s.Write(t.Context(), notes.Event("once").WithID("request-2"))
		require.NoError(t, err)
		require.Equal(t, uint64(2), receipts[0].Seq)
	}
	require.Equal(t, []string{"request-2"}, keysOf(collect(t, notes.Since(t.Context(), 0))))
	_, err = s.Write(t.Context(), notes.Event("other").WithID("request-2"))
	require.ErrorIs(t, err, companion.ErrIDReused)
}

// A derived event has a key of its own, which is its ID, as other events have.
func TestDerivedEvents(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	notes, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	require.NoError(t, tasks.Derive("notes", 1, func(_ context.Context, task companion.Record[Task]) (companion.Derived, error) {
		return companion.Derived{Changes: []companion.Change{notes.Event("one of " + task.Key), notes.Event("two of " + task.Key)}}, nil
	}))
	_, err = tasks.Put(t.Context(), "k", Task{})
	require.NoError(t, err)
	events := collect(t, notes.Since(t.Context(), 0))
	require.Len(t, events, 2)
	for _, event := range events {
		require.Equal(t, event.ID, event.Key)
	}
}

// The Store sets the conditions, IDs and derivations of a rule's changes. If a Change had its own, they would be lost:
// they are an error, and nothing is written.
func TestRulesMakePlainChanges(t *testing.T) {
	for name, change := range map[string]func(companion.Change) companion.Change{
		"condition":  companion.Change.IfAbsent,
		"condition ": func(c companion.Change) companion.Change { return c.IfLatest("x") },
		"an ID":      func(c companion.Change) companion.Change { return c.WithID("mine") },
		"derivation": func(c companion.Change) companion.Change { return c.DerivedFrom("mine") },
	} {
		var failed error
		s, _ := companiontest.New(t, companion.Options{DerivationFailed: func(err error) { failed = err }})
		tasks := tasksOf(t, s)
		notes, err := companion.NewEvents[string](s, "notes")
		require.NoError(t, err)
		event := false
		require.NoError(t, tasks.Derive("r", 1, func(_ context.Context, source companion.Record[Task]) (companion.Derived, error) {
			c := tasks.Change("derived", source.Value)
			if event {
				c = notes.Event("derived")
			}
			return companion.Derived{Changes: []companion.Change{change(c)}}, nil
		}))
		for _, event = range []bool{false, true} {
			failed = nil
			_, err = tasks.Put(t.Context(), "k", Task{Title: "source"})
			require.NoError(t, err)
			require.ErrorIs(t, failed, backend.ErrInvalid, name)
			require.ErrorContains(t, failed, strings.TrimSpace(name))
		}
		_, err = tasks.Get(t.Context(), "derived")
		require.ErrorIs(t, err, companion.ErrNotFound)
		require.Empty(t, collect(t, notes.Since(t.Context(), 0)))
	}
}

// A Store refuses changes that were made for another Store.
func TestChangesOfOtherStores(t *testing.T) {
	mine, theirs := openStore(t), openStore(t)
	notes, err := companion.NewRecords[string](mine, "notes")
	require.NoError(t, err)
	events, err := companion.NewEvents[string](mine, "events")
	require.NoError(t, err)
	for _, c := range []companion.Change{notes.Change("n", "x"), notes.Deletion("n"), events.Event("x")} {
		_, err = theirs.Write(t.Context(), c)
		require.ErrorIs(t, err, companion.ErrInvalid)
		_, err = theirs.Write(t.Context(), c, c)
		require.ErrorIs(t, err, companion.ErrInvalid)
		_, err = mine.Write(t.Context(), c)
		require.NoError(t, err)
	}
	require.Empty(t, theirs.Engine().Stores())
}

// TestBy: a Record says with which token a server let its fact be written, in its JSON too.
func TestBy(t *testing.T) {
	log := memory.New(memory.Options{})
	for i, by := range []string{"app", ""} {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "tasks", Key: fmt.Sprint(i), Value: []byte(`{}`), By: by, Producer: []byte(`"somebody"`)})
		require.NoError(t, err)
	}
	s, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	tasks, err := companion.NewRecords[Task](s, "tasks")
	require.NoError(t, err)
	for i, by := range []string{"app", ""} {
		r, err := tasks.Get(t.Context(), fmt.Sprint(i))
		require.NoError(t, err)
		require.Equal(t, by, r.By)
		require.Equal(t, `"somebody"`, string(r.Producer))
		text, err := json.Marshal(&r)
		require.NoError(t, err)
		require.Equal(t, by != "", strings.Contains(string(text), `"by":"app"`), "%s", text)
	}
}
