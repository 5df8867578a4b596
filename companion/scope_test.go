// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/store"
)

type Address struct {
	City string         `json:"city"`
	More map[string]any `json:"more"`
}

type Base struct {
	Kind string `json:"kind"`
}

type Person struct {
	Base
	Name   string    `json:"name"`
	Home   *Address  `json:"home"`
	Since  time.Time `json:"since"`
	Level  int       `json:"level,omitempty"`
	Secret string    `json:"-"`
	Plain  bool
}

func TestScopesCheckTheirFields(t *testing.T) {
	s := openStore(t)
	people, err := companion.NewRecords[Person](s, "people")
	require.NoError(t, err)
	for field, value := range map[string]any{
		"kind": "x", "name": "ana", "home.city": "Bern", "home.more.deep.down": 1, "Plain": true, "since": time.Time{}, "level": 1,
	} {
		_, err := people.Scope(field, companion.Filter[Person]{Where: map[string]any{field: value}})
		require.NoError(t, err, field)
	}
	for field, value := range map[string]any{
		"Base": 1, "Name": "ana", "home.town": "Bern", "name.first": "ana", "Secret": "x", "-": 1, "": 1, "level": 0,
	} {
		_, err := people.Scope(field, companion.Filter[Person]{Where: map[string]any{field: value}})
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid, field)
		require.Equal(t, field, invalid.Field)
	}
	_, err = people.Scope("s", companion.Filter[Person]{Where: map[string]any{"home.town": "Bern"}})
	require.ErrorContains(t, err, `has no field "town": its fields are city, more`)
	scope, err := people.Scope("s", companion.Filter[Person]{})
	require.NoError(t, err)
	for field, want := range map[store.Field]error{"": nil, "home.city": nil, "home.town": backend.ErrInvalid} {
		q := companion.Query{OrderBy: field}
		for _, list := range []iter.Seq2[companion.Record[Person], error]{people.List(t.Context(), q), scope.List(t.Context(), q)} {
			var got error
			for _, got = range list {
			}
			require.ErrorIs(t, got, want, field)
		}
	}
	for _, field := range []string{"boss", "Plain", "home"} {
		_, err = companion.NewRelation(people, people, field)
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Field)
	}
	for _, field := range []string{"name", "level", "since", "home.more.deep"} {
		_, err = companion.NewRelation(people, people, field)
		require.NoError(t, err, field)
	}
	_, err = companion.NewRelation[Person](nil, people, "name")
	require.ErrorIs(t, err, companion.ErrInvalid)
	others, err := companion.NewRecords[Person](openStore(t), "people")
	require.NoError(t, err)
	_, err = companion.NewRelation(others, people, "name")
	require.ErrorContains(t, err, "different Stores")
	visits, err := companion.NewEvents[Person](s, "visits")
	require.NoError(t, err)
	_, err = visits.Partition("page")
	require.ErrorIs(t, err, backend.ErrInvalid)

	bern, err := people.Scope("bern", companion.Filter[Person]{
		Where: map[string]any{"home.city": "Bern", "kind": "x"},
		Match: func(key string, p Person) bool { return key != "bob" && p.Plain },
	})
	require.NoError(t, err)
	bern.Build()
	for key, p := range map[string]Person{
		"ana": {Base: Base{"x"}, Home: &Address{City: "Bern"}, Plain: true}, "bob": {Base: Base{"x"}, Home: &Address{City: "Bern"}, Plain: true},
		"cyd": {Base: Base{"y"}, Home: &Address{City: "Bern"}, Plain: true}, "dan": {Base: Base{"x"}, Plain: true},
	} {
		_, err := people.Put(t.Context(), key, p)
		require.NoError(t, err)
	}
	require.Equal(t, 1, bern.Count())
	found := collect(t, bern.List(t.Context(), companion.Query{}))
	require.Equal(t, "ana", found[0].Key)
}

// No update of a key that many update at once is lost.
func TestUpdatesRace(t *testing.T) {
	s := openStore(t)
	counts, err := companion.NewRecords[int](s, "counts")
	require.NoError(t, err)
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if _, err := counts.Update(t.Context(), "k", func(old companion.Record[int]) (int, error) { return old.Value + 1, nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, err := counts.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, writers*each, r.Value)
	require.Equal(t, writers*each, r.Version)
	stop := errors.New("stop")
	_, err = counts.Update(t.Context(), "k", func(companion.Record[int]) (int, error) { return 0, stop })
	require.ErrorIs(t, err, stop)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = counts.Update(ctx, "k", func(companion.Record[int]) (int, error) {
		cancel()
		_, err := counts.Put(t.Context(), "k", 0) // always faster
		return 0, err
	})
	require.ErrorIs(t, err, context.Canceled)
	_, err = counts.Delete(t.Context(), "k")
	require.NoError(t, err)
	_, err = counts.Update(t.Context(), "k", func(old companion.Record[int]) (int, error) {
		require.True(t, old.Retracted)
		require.NotZero(t, old.Seq)
		return 1, nil
	})
	require.NoError(t, err)
}

// A slow watcher misses nothing and blocks no writer.
func TestSlowWatchers(t *testing.T) {
	s := openStore(t)
	numbers, err := companion.NewRecords[int](s, "numbers")
	require.NoError(t, err)
	even, err := numbers.Scope("even", companion.Filter[int]{Match: func(_ string, n int) bool { return n%2 == 0 }})
	require.NoError(t, err)
	const n = 500
	var got []string
	turn := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for event, err := range even.Watch(t.Context(), 0) {
			if err != nil {
				t.Error(err)
				return
			}
			if len(got) == 0 {
				<-turn // until all is written
			}
			if got = append(got, fmt.Sprint(event.Transition, " ", event.Record.Value)); event.Record.Value == n {
				return
			}
		}
	})
	var want []string
	for i := range n + 1 {
		_, err := numbers.Put(t.Context(), "k", i)
		require.NoError(t, err)
		change := []string{"entered", "left"}[i%2]
		want = append(want, fmt.Sprint(change, " ", i))
	}
	close(turn)
	wg.Wait()
	require.Equal(t, want, got)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range even.Watch(ctx, s.Head()) {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, s.Close())
	for _, err := range even.Watch(t.Context(), s.Head()) {
		require.ErrorIs(t, err, backend.ErrClosed)
	}
}
