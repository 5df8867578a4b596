package companion_test

import (
	"context"
	"encoding/json"
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
		_, err := people.Scope("s", companion.Filter[Person]{Where: map[string]any{field: value}})
		require.NoError(t, err, field)
	}
	for field, value := range map[string]any{
		"Base": 1, "Name": "ana", "home.town": "Bern", "name.first": "ana", "Secret": "x", "-": 1, "": 1, "level": 0,
	} {
		_, err := people.Scope("s", companion.Filter[Person]{Where: map[string]any{field: value}})
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid, field)
		require.Equal(t, field, invalid.Field)
	}
	_, err = people.Scope("s", companion.Filter[Person]{Where: map[string]any{"home.town": "Bern"}})
	require.ErrorContains(t, err, `has no field "town": there is city, more`)
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

// Many update one key, from several Stores on one log: each update counts.
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

func TestTraces(t *testing.T) {
	type traceKey struct{}
	s, err := companion.Open(t.Context(), companion.Options{Trace: func(ctx context.Context) string {
		id, _ := ctx.Value(traceKey{}).(string)
		return id
	}})
	require.NoError(t, err)
	defer s.Close()
	notes, err := companion.NewEvents[int](s, "notes")
	require.NoError(t, err)
	traced := context.WithValue(t.Context(), traceKey{}, "abc")
	want := []string{"", `{"trace":"abc"}`, `{"trace":"abc","who":"ana"}`, `{"by":"ana","trace":"abc"}`, `{"trace":"abc"}`, `"ana"`}
	for i, ctx := range []context.Context{
		t.Context(), traced, companion.WithProducer(traced, map[string]string{"who": "ana"}), companion.WithProducer(traced, "ana"),
		companion.WithProducer(traced, nil), companion.WithProducer(t.Context(), "ana"),
	} {
		_, err := notes.Append(ctx, i)
		require.NoError(t, err)
	}
	var got []string
	for r, err := range s.Engine().Facts(t.Context(), "notes", 0) {
		require.NoError(t, err)
		got = append(got, string(r.Producer()))
	}
	require.Equal(t, want, got)
}

// Values that are no T are errors, and not passed over.
func TestValuesOfOtherTypes(t *testing.T) {
	s := openStore(t)
	texts, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	_, err = texts.Append(t.Context(), "text")
	require.NoError(t, err)
	numbers, err := companion.NewEvents[int](s, "notes")
	require.NoError(t, err)
	sum := companion.NewFold(numbers, 0, func(n int, r companion.Record[int]) int { return n + r.Value })
	require.ErrorContains(t, sum.Read(t.Context(), func(int, uint64) { t.Error("read") }), "decode fact")
	for _, err := range numbers.Tail(t.Context(), 0) {
		require.ErrorContains(t, err, "decode fact")
	}
	records, err := companion.NewRecords[string](s, "records")
	require.NoError(t, err)
	require.NoError(t, records.Upcast())
	future := records.Change("k", "x")
	_, err = s.Write(t.Context(), future)
	require.NoError(t, err)
	_, err = s.Engine().Write(t.Context(), backend.Fact{Store: "records", Key: "k", Value: []byte(`"y"`), SchemaVersion: 2})
	require.NoError(t, err)
	_, err = records.Get(t.Context(), "k")
	require.ErrorIs(t, err, companion.ErrNewer)
	require.NoError(t, records.Upcast(func(v json.RawMessage) (json.RawMessage, error) { return v, nil }))
	r, err := records.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "y", r.Value)
}

// A scope is watched by a slow reader while it is written: nothing is missed, nothing blocks.
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

// A Store that keeps the latest facts in memory says the same of the past.
func TestKeepVersions(t *testing.T) {
	s, err := companion.Open(t.Context(), companion.Options{KeepVersions: 1})
	require.NoError(t, err)
	defer s.Close()
	numbers, err := companion.NewRecords[int](s, "numbers")
	require.NoError(t, err)
	const n = 3000
	for i := range n {
		_, err := numbers.Put(t.Context(), "k", i)
		require.NoError(t, err)
	}
	require.Len(t, collect(t, numbers.History(t.Context(), "k", companion.Moment{})), n)
	r, err := numbers.GetAt(t.Context(), "k", companion.Moment{Seq: 10})
	require.NoError(t, err)
	require.Equal(t, 9, r.Value)
	found := collect(t, numbers.List(t.Context(), companion.Query{At: companion.Moment{Seq: 10}}))
	require.Equal(t, 9, found[0].Value)
	past := numbers.History(t.Context(), "k", companion.Moment{})
	_, err = numbers.Put(t.Context(), "k", n)
	require.NoError(t, err)
	require.Len(t, collect(t, past), n+1, "each loop reads anew")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range numbers.History(ctx, "k", companion.Moment{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

// What is over the records says the same of the past, or that it can't.
func TestKeepVersionsOverRecords(t *testing.T) {
	s, err := companion.Open(t.Context(), companion.Options{KeepVersions: 1})
	require.NoError(t, err)
	defer s.Close()
	type visit struct {
		Guest string `json:"guest"`
		N     int    `json:"n"`
	}
	guests, err := companion.NewRecords[string](s, "guests")
	require.NoError(t, err)
	visits, err := companion.NewRecords[visit](s, "visits")
	require.NoError(t, err)
	odd, err := visits.Scope("odd", companion.Filter[visit]{Match: func(_ string, v visit) bool { return v.N%2 == 1 }})
	require.NoError(t, err)
	of, err := companion.NewRelation(guests, visits, "guest")
	require.NoError(t, err)
	sum := companion.NewFold(visits, 0, func(sum int, _ companion.Record[visit]) int { return sum + 1 })
	var first companion.Receipt
	const n = 3000
	for i := range n {
		_, err := guests.Put(t.Context(), "ana", fmt.Sprint("Ana ", i))
		require.NoError(t, err)
		r, err := visits.Put(t.Context(), "v", visit{"ana", i})
		require.NoError(t, err)
		if i == 1 {
			first = r
		}
	}
	then := companion.AsOf(first.Seq)
	require.Equal(t, 1, odd.Count())
	in := collect(t, odd.List(t.Context(), companion.Query{At: then}))
	require.Len(t, in, 1)
	require.Equal(t, first.ID, in[0].ID)
	many := collect(t, of.Many(t.Context(), "ana", then))
	require.Len(t, many, 1)
	require.Equal(t, first.ID, many[0].ID)
	now, err := visits.Get(t.Context(), "v")
	require.NoError(t, err)
	one, err := of.One(t.Context(), now, then)
	require.NoError(t, err)
	require.Equal(t, "Ana 1", one.Value)
	one, err = of.One(t.Context(), in[0], then)
	require.NoError(t, err)
	require.Equal(t, "Ana 1", one.Value, "of a record that is not in memory, too")
	_, err = s.Lineage(first.ID)
	require.ErrorIs(t, err, companion.ErrDropped)
	require.NoError(t, sum.Read(t.Context(), func(sum int, seq uint64) { require.Equal(t, [2]int{n, 2 * n}, [2]int{sum, int(seq)}) }))
}
