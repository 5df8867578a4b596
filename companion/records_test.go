// SPDX-License-Identifier: Apache-2.0

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

// checkKept puts v and expects it back: now, in the list, and as of its write after it was deleted. Pointers have the
// JSON of what they point to, and share one instance of the generic code.
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
	checkKept(t, new(int64(math.MinInt64)))
	checkKept(t, new(int64(math.MaxInt64)))
	checkKept(t, new(uint64(math.MaxUint64)))
	checkKept(t, new(math.MaxFloat64))
	checkKept(t, new(math.SmallestNonzeroFloat64))
	checkKept(t, new(0.1))
	checkKept(t, new(math.Copysign(0, -1)))
	checkKept(t, new(false))
	checkKept(t, new([]byte{0, 255}))
	checkKept(t, new([]string{}))
	checkKept(t, new(map[string]int{}))
	checkKept(t, new(map[string][]float64{"b": {1.5}, "a": nil, "": {}, "é\n": {-1}}))
	checkKept(t, new(struct{}{}))
	checkKept(t, &Task{Title: "by pointer"})
	checkKept(t, new(time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)))
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
	checkRefused(t, new(map[string]int(nil)))
	checkRefused(t, new([]string(nil)))
	checkRefused(t, json.RawMessage(" null "))
	checkRefused(t, json.RawMessage(`{"a":1,"a":2}`))
	checkRefused(t, json.RawMessage(strings.Repeat("[", 91)+strings.Repeat("]", 91)))
	checkRefused[any](t, make(chan int))
	checkRefused[any](t, func() {})
	checkRefused(t, new(math.NaN()))
	checkRefused(t, json.RawMessage("{"))
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

// History is the past of a key as of a moment, on both time axes.
func TestHistoryAsOf(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	log := memory.New(memory.Options{Now: func() time.Time { return now }})
	defer log.Close()
	s, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	defer s.Close()
	numbers, err := companion.NewRecords[int](s, "numbers")
	require.NoError(t, err)
	for i, valid := range []int{10, 1, 5} { // transaction times are days 1, 2 and 3
		_, err = s.Write(t.Context(), numbers.Change("k", i).ValidFrom(day(valid)))
		require.NoError(t, err)
		now = now.AddDate(0, 0, 1)
	}
	_, err = numbers.Delete(t.Context(), "k") // on day 4
	require.NoError(t, err)
	for _, c := range []struct {
		m    companion.Moment
		want []uint64
	}{
		{companion.Moment{}, []uint64{1, 2, 3, 4}},
		{companion.AsOf(0), nil},
		{companion.AsOf(2), []uint64{1, 2}},
		{companion.Moment{Time: day(3)}, []uint64{1, 2, 3}},
		{companion.Moment{Time: day(3), Seq: 1}, []uint64{1}},
		{companion.Moment{Valid: day(5)}, []uint64{2, 3, 4}},
		{companion.Moment{Valid: day(4), Seq: 3}, []uint64{2}},
	} {
		var got []uint64
		for _, r := range collect(t, numbers.History(t.Context(), "k", c.m)) {
			got = append(got, r.Seq)
		}
		require.Equal(t, c.want, got, "%+v", c.m)
	}
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

	// The loop's body may write, which does not change what the loop yields.
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

// A context that ends during a loop ends the loop with its error, once, and with the zero Record.
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

// Every loop reports a context that is done before it, also if there is nothing to yield.
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
