// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/store"
)

type house struct {
	Home struct {
		Floor *int `json:"floor"`
		Area  int  `json:"area"`
	} `json:"home"`
}

// Pages hold each record once, in every order, whatever is in the field to order by, and also if the Store does
// not hold what a page ended with. A cursor is good as long as its query is the same.
func TestPages(t *testing.T) {
	for _, field := range []store.Field{"home.floor", "home.area"} {
		values := []string{`{"home":{"area":35}}`, `{"home":{"floor":2,"area":3}}`, `{"home":{"floor":-1,"area":70}}`, `{"home":{"floor":null,"area":0}}`}
		testPages(t, 1, field, values, 1, 3)
		testPages(t, 0, field, append(values, `{}`, `{"home":{"floor":1}}`, `{"home":null}`), 0, 1, 2, 3, 7, 8) // a house never has this JSON
	}
}

func testPages(t *testing.T, keep int, field store.Field, values []string, limits ...int) {
	l := memory.New(memory.Options{})
	defer l.Close()
	s, err := companion.New(t.Context(), l, companion.Options{KeepVersions: keep})
	require.NoError(t, err)
	defer s.Close()
	houses, err := companion.NewRecords[house](s, "houses")
	require.NoError(t, err)
	all, err := houses.Scope("all", companion.Filter[house]{})
	require.NoError(t, err)
	for i, value := range values {
		_, err := s.Engine().Write(t.Context(), backend.Fact{Store: "houses", Key: fmt.Sprint(i), Value: []byte(value)})
		require.NoError(t, err)
	}
	head := s.Head()
	for range 1100 * keep { // until the Store has dropped what was there
		_, err := houses.Put(t.Context(), "1", house{})
		require.NoError(t, err)
	}
	for _, q := range []companion.Query{{}, {ByKey: true}, {Descending: true}, {OrderBy: field}, {OrderBy: field, Descending: true}} {
		q.At = companion.AsOf(head)
		for _, over := range []interface {
			List(context.Context, companion.Query) iter.Seq2[companion.Record[house], error]
			Query(context.Context, companion.Query) (companion.Results[house], error)
		}{houses, all} {
			want := collect(t, over.List(t.Context(), q))
			require.Len(t, want, len(values))
			for _, limit := range limits {
				q := q
				q.Limit = limit
				var got []companion.Record[house]
				for more := true; more; more = q.Cursor != "" {
					page, err := over.Query(t.Context(), q)
					require.NoError(t, err)
					got = append(got, page.Records...)
					if limit > 0 {
						require.LessOrEqual(t, len(page.Records), limit)
						require.Equal(t, len(got) < len(want), page.Next != "")
					}
					q.Cursor = page.Next
				}
				require.Equal(t, want, got, "%+v", q)
			}

			if keep > 0 {
				continue // every read is one of the log, which takes long
			}
			q := q
			q.Limit = 1
			page, err := over.Query(t.Context(), q)
			require.NoError(t, err)
			q.Cursor = page.Next
			require.Equal(t, want[1:2], collect(t, over.List(t.Context(), q)), "List takes cursors too")
			q.Descending = !q.Descending
			_, err = over.Query(t.Context(), q)
			require.ErrorIs(t, err, companion.ErrInvalid, "a cursor of another query")
		}
	}
}

// A page with a value that is no T is an error, and has all that can be told.
func TestPagesOfOtherTypes(t *testing.T) {
	s := openStore(t)
	texts, err := companion.NewRecords[string](s, "texts")
	require.NoError(t, err)
	_, err = texts.Put(t.Context(), "k", "x")
	require.NoError(t, err)
	numbers, err := companion.NewRecords[int](s, "texts")
	require.NoError(t, err)
	page, err := numbers.Query(t.Context(), companion.Query{})
	require.ErrorContains(t, err, "decode fact")
	require.Equal(t, "k", page.Records[0].Key)
	require.Zero(t, page.Records[0].Value)
}
