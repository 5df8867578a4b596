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

// Pages in the order of a field hold each record once, whatever is in the field, and also where the
// Store does not hold what a page ended with.
func TestPagesGoOn(t *testing.T) {
	for _, field := range []store.Field{"home.floor", "home.area"} {
		values := []string{`{"home":{"area":35}}`, `{"home":{"floor":2,"area":3}}`, `{"home":{"floor":-1,"area":70}}`, `{"home":{"floor":null,"area":0}}`}
		testPages(t, 1, field, values)
		testPages(t, 0, field, append(values, `{}`, `{"home":{"floor":1}}`, `{"home":null}`)) // which the JSON of a house never is
	}
}

func testPages(t *testing.T, keep int, field store.Field, values []string) {
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
	for _, q := range []companion.Query{{}, {ByKey: true}, {OrderBy: field}, {OrderBy: field, Descending: true}} {
		q.At, q.Limit = companion.AsOf(head), 1
		for _, list := range []func(context.Context, companion.Query) iter.Seq2[companion.Record[house], error]{houses.List, all.List} {
			seen, page := map[string]bool{}, q
			for n := range len(values) + 1 {
				var last companion.Record[house]
				for r, err := range list(t.Context(), page) {
					require.NoError(t, err)
					require.False(t, seen[r.Key], r.Key)
					seen[r.Key], last = true, r
				}
				require.Equal(t, n == len(values), last.Seq == 0, "%v: page %d", q, n)
				page = houses.Next(page, last)
			}
			require.Equal(t, q, houses.Next(q, companion.Record[house]{}))
		}
	}
}
