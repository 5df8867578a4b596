// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
)

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

// Errors of declarations name the store.
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

// A scope, relation or partition that a request's handler makes each time is kept up once; closed, it can still be read.
func TestDeclaringInHandlers(t *testing.T) {
	s := openStore(t)
	ctx := t.Context()
	tasks, err := companion.NewRecords[Task](s, "tasks")
	require.NoError(t, err)
	events, err := companion.NewEvents[Task](s, "events")
	require.NoError(t, err)
	for range 2 {
		_, err = tasks.Put(ctx, "k", Task{Title: "a"})
		require.NoError(t, err)
		_, err = events.Append(ctx, Task{Title: "a"})
		require.NoError(t, err)
	}
	for range 3 {
		scope, err := tasks.Scope("a", companion.Filter[Task]{Where: map[string]any{"title": "a"}})
		require.NoError(t, err)
		relation, err := companion.NewRelation(tasks, tasks, "title")
		require.NoError(t, err)
		partition, err := events.Partition("title")
		require.NoError(t, err)
		for range 2 {
			require.Equal(t, 1, scope.Count())
			n := 0
			for range relation.Many(ctx, "a", companion.Moment{}) {
				n++
			}
			for range partition.Since(ctx, "a", 0) {
				n++
			}
			require.Equal(t, 1+2, n)
			scope.Close()
			relation.Close()
			partition.Close()
		}
	}
	_, err = tasks.Scope("a", companion.Filter[Task]{Where: map[string]any{"title": "a"}})
	require.NoError(t, err)
	_, err = tasks.Scope("a", companion.Filter[Task]{Where: map[string]any{"title": "b"}})
	require.ErrorIs(t, err, companion.ErrInvalid)
	require.ErrorContains(t, err, `scope "a" of store "tasks"`)
}
