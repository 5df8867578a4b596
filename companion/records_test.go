package companion_test

import (
	"context"
	"encoding/json"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/wire"
)

func keysOf[T any](records []companion.Record[T]) []string {
	var keys []string
	for _, r := range records {
		keys = append(keys, r.Key)
	}
	return keys
}

// checkKept puts v and expects it back, now, in the list, and as it was, once overwritten by zero.
func checkKept[T any](t *testing.T, v T) {
	t.Helper()
	s := openStore(t)
	records, err := companion.NewRecords[T](s, "values")
	require.NoError(t, err)
	_, err = records.Get(t.Context(), "k")
	require.ErrorIs(t, err, companion.ErrNotFound)
	receipt, err := records.Put(t.Context(), "k", v)
	require.NoError(t, err)
	text, err := json.Marshal(v)
	require.NoError(t, err)
	hash, err := wire.Hash(text)
	require.NoError(t, err)
	require.Equal(t, hash, receipt.Hash)
	want := companion.Record[T]{Receipt: receipt, Key: "k", Value: v, Version: 1, Schema: 1}
	r, err := records.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, want, r)
	require.Equal(t, []companion.Record[T]{want}, collect(t, records.List(t.Context(), companion.Query{})))
	_, err = records.Delete(t.Context(), "k")
	require.NoError(t, err)
	r, err = records.GetAt(t.Context(), "k", companion.Moment{Seq: receipt.Seq})
	require.NoError(t, err)
	require.Equal(t, want, r)
}

func TestValuesAreKept(t *testing.T) {
	checkKept(t, "")
	checkKept(t, "<script>&amp;</script> \u2028\u2029 \x00\x1f\x7f é 日本 😀 \\ \" /")
	checkKept(t, 0)
	checkKept(t, int64(math.MinInt64))
	checkKept(t, int64(math.MaxInt64))
	checkKept(t, uint64(math.MaxUint64))
	checkKept(t, math.MaxFloat64)
	checkKept(t, math.SmallestNonzeroFloat64)
	checkKept(t, 0.1)
	checkKept(t, math.Copysign(0, -1))
	checkKept(t, false)
	checkKept(t, []byte{0, 255})
	checkKept(t, []string{})
	checkKept(t, map[string]int{})
	checkKept(t, map[string][]float64{"b": {1.5}, "a": nil, "": {}, "é\n": {-1}})
	checkKept(t, struct{}{})
	checkKept(t, &Task{Title: "by pointer"})
	checkKept(t, time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC))
	checkKept(t, json.RawMessage(`{"a":12345678901234567890.123456789,"b":null}`))
	checkKept[any](t, map[string]any{"list": []any{1.5, "x", nil, true}})
}

// checkRefused expects that v can't be put, appended or written, with an error about the value.
func checkRefused[T any](t *testing.T, v T) {
	t.Helper()
	s := openStore(t)
	records, err := companion.NewRecords[T](s, "values")
	require.NoError(t, err)
	events, err := companion.NewEvents[T](s, "values")
	require.NoError(t, err)
	_, put := records.Put(t.Context(), "k", v)
	_, appended := events.Append(t.Context(), v)
	_, written := s.Write(t.Context(), records.Change("k", v), records.Deletion("l"))
	for _, err := range []error{put, appended, written} {
		var invalid *backend.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "value", invalid.Field)
	}
	require.Zero(t, s.Head(), "nothing was written")
}

func TestValuesAreRefused(t *testing.T) {
	checkRefused[any](t, nil)
	checkRefused[*Task](t, nil)
	checkRefused[map[string]int](t, nil)
	checkRefused[[]string](t, nil)
	checkRefused(t, json.RawMessage(" null "))
	checkRefused(t, json.RawMessage(`{"a":1,"a":2}`))
	checkRefused(t, json.RawMessage(strings.Repeat("[", 91)+strings.Repeat("]", 91)))
	checkRefused[any](t, make(chan int))
	checkRefused[any](t, func() {})
	checkRefused(t, math.NaN())
	checkRefused(t, json.RawMessage("{"))
}

func TestKeysAndNames(t *testing.T) {
	s := openStore(t)
	longest := strings.Repeat("s", backend.MaxStoreLen)
	first, err := companion.NewRecords[int](s, longest)
	require.NoError(t, err)
	second, err := companion.NewRecords[int](s, "é\x00")
	require.NoError(t, err)
	keys := []string{strings.Repeat("k", backend.MaxKeyLen), " ", "\x00", "日本/😀", "null"}
	for i, key := range keys {
		_, err := first.Put(t.Context(), key, i)
		require.NoError(t, err)
		_, err = second.Get(t.Context(), key)
		require.ErrorIs(t, err, companion.ErrNotFound, "each store has keys of its own")
		_, err = second.Put(t.Context(), key, -i)
		require.NoError(t, err)
	}
	for i, key := range keys {
		r, err := first.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, i, r.Value)
		require.Empty(t, r.Causation)
		r, err = second.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, -i, r.Value)
	}
	require.Equal(t, keys, keysOf(collect(t, first.List(t.Context(), companion.Query{}))))

	head := s.Head()
	for _, key := range []string{"", "\xff", strings.Repeat("k", backend.MaxKeyLen+1)} {
		_, put := first.Put(t.Context(), key, 1)
		_, deleted := first.Delete(t.Context(), key)
		_, written := s.Write(t.Context(), first.Change("good", 1), first.Change(key, 1))
		for _, err := range []error{put, deleted, written} {
			require.ErrorIs(t, err, backend.ErrInvalid)
			require.ErrorContains(t, err, "key")
		}
	}
	require.Equal(t, head, s.Head())
}

func TestDelete(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	first, err := tasks.Delete(t.Context(), "k")
	require.NoError(t, err, "a key that has no value is retracted too")
	require.Empty(t, first.Causation)
	second, err := tasks.Delete(companion.WithProducer(t.Context(), "ana"), "k")
	require.NoError(t, err)
	require.Equal(t, first.ID, second.Causation)
	require.Empty(t, collect(t, tasks.List(t.Context(), companion.Query{})))
	require.Equal(t, []companion.Record[Task]{
		{Receipt: first, Key: "k", Retracted: true, Version: 1, Schema: 1},
		{Receipt: second, Key: "k", Retracted: true, Version: 2, Schema: 1, Producer: json.RawMessage(`"ana"`)},
	}, collect(t, tasks.History(t.Context(), "k", companion.Moment{})))
	require.Empty(t, collect(t, tasks.History(t.Context(), "never", companion.Moment{})))
}

func TestList(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	var heads []uint64
	for _, step := range []struct{ put, remove string }{{put: "c"}, {put: "a"}, {put: "b"}, {put: "a"}, {remove: "c"}, {put: "c"}} {
		if step.put != "" {
			_, err := tasks.Put(t.Context(), step.put, Task{})
			require.NoError(t, err)
		} else {
			_, err := tasks.Delete(t.Context(), step.remove)
			require.NoError(t, err)
		}
		heads = append(heads, s.Head())
	}
	for i, want := range [][]string{{"c"}, {"c", "a"}, {"c", "a", "b"}, {"c", "a", "b"}, {"a", "b"}, {"c", "a", "b"}} {
		require.Equal(t, want, keysOf(collect(t, tasks.List(t.Context(), companion.Query{At: companion.Moment{Seq: heads[i]}}))), i)
	}

	// The loop's body may write, and what was given out stays as it is.
	n := 0
	for r, err := range tasks.List(t.Context(), companion.Query{At: companion.AsOf(s.Head())}) {
		require.NoError(t, err)
		for _, key := range []string{"a", "b", "c", "new " + r.Key} {
			_, err = tasks.Put(t.Context(), key, Task{Title: "changed"})
			require.NoError(t, err)
		}
		require.Empty(t, r.Value.Title)
		n++
	}
	require.Equal(t, 3, n)
	require.Len(t, collect(t, tasks.List(t.Context(), companion.Query{})), 6)
	for range tasks.List(t.Context(), companion.Query{}) {
		break
	}
}

// A context that is done ends every loop with its error, once, and with the zero Record.
func TestLoopsEndWithTheirContext(t *testing.T) {
	s := openStore(t)
	numbers, err := companion.NewRecords[int](s, "numbers")
	require.NoError(t, err)
	events, err := companion.NewEvents[int](s, "numbers")
	require.NoError(t, err)
	for i := range 4 {
		_, err := numbers.Put(t.Context(), "k", i)
		require.NoError(t, err)
		_, err = events.Append(t.Context(), i)
		require.NoError(t, err)
	}
	for name, loop := range map[string]func(context.Context, func(companion.Record[int], error) bool){
		"List": func(ctx context.Context, yield func(companion.Record[int], error) bool) {
			numbers.List(ctx, companion.Query{})(yield)
		},
		"History": func(ctx context.Context, yield func(companion.Record[int], error) bool) {
			numbers.History(ctx, "k", companion.Moment{})(yield)
		},
		"Since": func(ctx context.Context, yield func(companion.Record[int], error) bool) { events.Since(ctx, 0)(yield) },
		"SinceTime": func(ctx context.Context, yield func(companion.Record[int], error) bool) {
			events.SinceTime(ctx, time.Time{})(yield)
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		pairs := 0
		loop(ctx, func(r companion.Record[int], err error) bool {
			pairs++
			if pairs <= 2 {
				require.NoError(t, err, name)
				require.NotZero(t, r, name)
			} else {
				require.ErrorIs(t, err, context.Canceled, name)
				require.Zero(t, r, name)
			}
			if pairs == 2 {
				cancel()
			}
			return true
		})
		require.Equal(t, 3, pairs, name)
	}
}

// A context that is done is reported by every loop, be there something to yield or not.
func TestLoopsWithAContextThatIsDone(t *testing.T) {
	s := openStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	notes, err := companion.NewEvents[Task](s, "notes")
	require.NoError(t, err)
	tasks := tasksOf(t, s)
	for _, loop := range []iter.Seq2[companion.Record[Task], error]{
		tasks.List(ctx, companion.Query{}), tasks.History(ctx, "k", companion.Moment{}), notes.Since(ctx, 0), notes.SinceTime(ctx, time.Time{}),
	} {
		n := 0
		for r, err := range loop {
			require.ErrorIs(t, err, context.Canceled)
			require.Zero(t, r)
			n++
		}
		require.Equal(t, 1, n)
	}
}

// A query that can't be answered is an error, and not an empty list.
func TestQueriesThatNothingAnswers(t *testing.T) {
	s := openStore(t)
	numbers, err := companion.NewRecords[int](s, "numbers")
	require.NoError(t, err)
	all, err := numbers.Scope("all", companion.Filter[int]{})
	require.NoError(t, err)
	_, err = numbers.Put(t.Context(), "k", 1)
	require.NoError(t, err)
	for field, q := range map[string]companion.Query{
		"cursor": {Cursor: "j"}, "limit": {Limit: -1}, "n": {OrderBy: "n"},
	} {
		for _, query := range []func(context.Context, companion.Query) (companion.Results[int], error){numbers.Query, all.Query} {
			page, err := query(t.Context(), q)
			var invalid *backend.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, field, invalid.Field)
			require.ErrorContains(t, err, "numbers")
			require.Zero(t, page)
		}
		for _, list := range []iter.Seq2[companion.Record[int], error]{numbers.List(t.Context(), q), all.List(t.Context(), q)} {
			n := 0
			for r, err := range list {
				var invalid *backend.InvalidError
				require.ErrorAs(t, err, &invalid)
				require.Equal(t, field, invalid.Field)
				require.ErrorContains(t, err, "numbers")
				require.Zero(t, r)
				n++
			}
			require.Equal(t, 1, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = numbers.Query(ctx, companion.Query{})
	require.ErrorIs(t, err, context.Canceled)
}

// What is declared wrongly is an error that names the store.
func TestDeclarationErrorsNameTheStore(t *testing.T) {
	s := openStore(t)
	tasks := tasksOf(t, s)
	notes, err := companion.NewEvents[string](s, "notes")
	require.NoError(t, err)
	for want, err := range map[string]error{
		`companion: retain store "tasks": backend: invalid versions`:          tasks.Retain(companion.Retention{Versions: -1}),
		`companion: retain store "notes": backend: invalid events`:            notes.Retain(0),
		`companion: upcast store "tasks": backend: invalid steps[0]`:          tasks.Upcast(nil),
		`companion: rule "r" of store "notes": backend: invalid rule: "r" ha`: notes.Derive("r", 1, nil),
		`companion: rule "" of store "tasks": backend: invalid name: a rul`:   tasks.Derive("", 1, func(context.Context, companion.Record[Task]) (d companion.Derived, err error) { return d, err }),
	} {
		require.ErrorIs(t, err, companion.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
}

// TestNewerValues reads what a newer version of the app wrote: as it is where nothing is said about versions, and not
// where version 1 is said to be the current one.
func TestNewerValues(t *testing.T) {
	log := memory.New(memory.Options{})
	defer log.Close()
	s, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	defer s.Close()
	tasks := tasksOf(t, s)
	keep := func(v json.RawMessage) (json.RawMessage, error) { return v, nil }
	require.NoError(t, tasks.Upcast(keep))
	_, err = tasks.Put(t.Context(), "t", Task{Title: "x"})
	require.NoError(t, err)

	unaware, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	defer unaware.Close()
	old := tasksOf(t, unaware)
	r, err := old.Get(t.Context(), "t")
	require.NoError(t, err)
	require.Equal(t, "x", r.Value.Title)
	require.Equal(t, 2, r.Schema)
	require.NoError(t, old.Upcast())
	_, err = old.Get(t.Context(), "t")
	require.ErrorIs(t, err, companion.ErrNewer)
	_, err = old.Update(t.Context(), "t", func(r companion.Record[Task]) (Task, error) { return r.Value, nil })
	require.ErrorIs(t, err, companion.ErrNewer)
}
