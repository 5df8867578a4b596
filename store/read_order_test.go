// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/store"
)

// inOrder has values of a field in the order of Query.OrderBy; values in one line are equal. "" is no value.
var inOrder = [][]string{
	{``, `null`},
	{`false`},
	{`true`},
	{`-1e400`, `-10E399`},
	{`-100.5`, `-1005e-1`},
	{`-2`},
	{`-0.001`, `-1e-3`},
	{`0`, `-0`, `0.00`, `0e9`, `-0e-9`},
	{`1e-9999999999999999999999`},
	{`1e-7`, `0.0000001`},
	{`0.5`, `5e-1`, `0.50`},
	{`1`, `1.0`, `10e-1`, `1E0`},
	{`1.5`},
	{`2`},
	{`10`, `1e1`, `1E+1`},
	{`123456789012345678901`},
	{`123456789012345678902`, `123456789012345678902.000`},
	{`1e25`, `10000000000000000000000000`},
	{`1e999999999999999999999`},
	{`""`},
	{`"A"`, `"\u0041"`},
	{`"Aa"`},
	{`"a\"b"`},
	{`"b"`},
	{`"é"`, `"\u00e9"`},
	{`[1,"1.0"]`, `[ 1.0 , "1.0" ]`},
	{`[2]`},
	{`{"a":1,"b":[1e2]}`, `{"b":[100],"a":1.0}`},
}

// ordered is an engine with a record for each that is in inOrder, written in no order, and their keys in
// the order of the field.
func ordered(t *testing.T) (e *store.Engine, keys []string) {
	e = openEngine(t, newLog(t))
	var facts []backend.Fact
	for i, line := range inOrder {
		for j, x := range line {
			f := backend.Fact{ID: fmt.Sprint(i, "-", j), Store: "s", Key: fmt.Sprint("k", j, i), Value: []byte(`{"a":{"x":` + x + `}}`)}
			if x == "" {
				f.Key, f.Value = "", []byte(`{"y":1}`)
			}
			facts = append(facts, f)
			keys = append(keys, f.Key)
		}
	}
	for i := range facts {
		_, err := e.Import(t.Context(), facts[i*37%len(facts)])
		require.NoError(t, err)
	}
	require.Len(t, factsOf(e.Facts(t.Context(), "s", 0)), len(facts))
	return e, keys
}

func keysOf(records iter.Seq2[store.Record, error]) (keys []string) {
	for _, r := range recordsOf(records) {
		keys = append(keys, r.Key())
	}
	return keys
}

func TestOrderByField(t *testing.T) {
	e, keys := ordered(t)
	q := store.Query{OrderBy: "a.x"}
	require.Equal(t, keys, keysOf(e.List(t.Context(), "s", q)))
	scope, err := e.Scope("s", "all", store.Filter{})
	require.NoError(t, err)
	require.Equal(t, keys, keysOf(scope.List(t.Context(), q)))
	q.Prefix = "k1"
	require.Equal(t, slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return len(k) < 2 || k[:2] != "k1" }), keysOf(e.List(t.Context(), "s", q)))
	require.Equal(t, keys, keysOf(e.List(t.Context(), "s", store.Query{OrderBy: "a.x", Limit: math.MaxInt})))
}

// Pages of every size hold each record once, in every order and both ways, the empty key included.
func TestPagesInEveryOrder(t *testing.T) {
	e, _ := ordered(t)
	head := e.Head()
	scope, err := e.Scope("s", "all", store.Filter{})
	require.NoError(t, err)
	_, err = e.Write(t.Context(), backend.Fact{Store: "s", Key: "k01", Value: []byte(`{"a":{"x":"changed"}}`)})
	require.NoError(t, err)
	for _, q := range []store.Query{{}, {ByKey: true}, {OrderBy: "a.x"}, {OrderBy: "a"}, {OrderBy: "none"}, {OrderBy: "a.x", Prefix: "k0"}, {ByKey: true, Prefix: "k1"}} {
		for _, at := range []store.Moment{{}, {Seq: head}} {
			for _, descending := range []bool{false, true} {
				q.At, q.Descending, q.Limit = at, descending, 0
				want := keysOf(e.List(t.Context(), "s", q))
				for limit := 1; limit < 60; limit += 7 {
					for _, list := range []func(store.Query) (store.Results, error){
						func(q store.Query) (store.Results, error) { return e.Query(t.Context(), "s", q) },
						func(q store.Query) (store.Results, error) { return scope.Query(t.Context(), q) },
					} {
						var got []string
						page := q
						page.Limit = limit
						for next := true; next; next = page.Cursor != "" {
							found, err := list(page)
							require.NoError(t, err)
							require.LessOrEqual(t, len(found.Records), limit)
							for _, r := range found.Records {
								got = append(got, r.Key())
							}
							page.Cursor = found.Next
						}
						require.Equal(t, want, got, "%+v", page)
					}
				}
			}
		}
	}
}

// A page goes on after the value that the last record had, even if the record is changed or retracted since.
func TestPagesGoOnFromAValue(t *testing.T) {
	e := openEngine(t, newLog(t))
	for n := range 6 {
		_, err := e.Write(t.Context(), fact(fmt.Sprint("k", n), n))
		require.NoError(t, err)
	}
	q := store.Query{OrderBy: "n", Limit: 2}
	require.Equal(t, []string{"k0", "k1"}, keysOf(e.List(t.Context(), "s", q)))
	first, err := e.Query(t.Context(), "s", q)
	require.NoError(t, err)
	next := q
	next.Cursor = first.Next
	_, err = e.Retract(t.Context(), backend.Fact{Store: "s", Key: "k1"})
	require.NoError(t, err)
	require.Equal(t, []string{"k2", "k3"}, keysOf(e.List(t.Context(), "s", next)))
	second, err := e.Query(t.Context(), "s", next)
	require.NoError(t, err)
	q.Limit, q.Cursor = 5, second.Next // another limit goes on as well
	third, err := e.Query(t.Context(), "s", q)
	require.NoError(t, err)
	require.Len(t, third.Records, 2)
	require.Empty(t, third.Next)
}

// A cursor works only for the query that it is from; other texts are refused.
func TestCursorsOfOtherQueries(t *testing.T) {
	e, _ := ordered(t)
	scope, err := e.Scope("s", "all", store.Filter{})
	require.NoError(t, err)
	q := store.Query{OrderBy: "a.x", Limit: 2}
	page, err := e.Query(t.Context(), "s", q)
	require.NoError(t, err)
	require.Len(t, page.Records, 2)
	for name, change := range map[string]func(q *store.Query){
		"order by": func(q *store.Query) { q.OrderBy = "a" }, "by key": func(q *store.Query) { q.ByKey, q.OrderBy = true, "" },
		"descending": func(q *store.Query) { q.Descending = true }, "prefix": func(q *store.Query) { q.Prefix = "k" },
		"seq": func(q *store.Query) { q.At.Seq = 5 }, "nothing": func(q *store.Query) { q.At = store.AsOf(0) },
		"time": func(q *store.Query) { q.At.Time = time.Unix(1, 0) }, "valid": func(q *store.Query) { q.At.Valid = time.Unix(1, 0) },
		"text": func(q *store.Query) { q.Cursor = "k1" }, "base64": func(q *store.Query) { q.Cursor = "e30" },
		"cut": func(q *store.Query) { q.Cursor = q.Cursor[:len(q.Cursor)-3] }, "limit": func(q *store.Query) { q.Limit = -1 },
	} {
		other := q
		other.Cursor = page.Next
		change(&other)
		_, err := e.Query(t.Context(), "s", other)
		require.ErrorIs(t, err, backend.ErrInvalid, name)
		_, err = scope.Query(t.Context(), other)
		require.ErrorIs(t, err, backend.ErrInvalid, name)
		for _, err := range e.List(t.Context(), "s", other) {
			require.ErrorIs(t, err, backend.ErrInvalid, name)
		}
	}
	q.Cursor = page.Next
	_, err = e.Query(t.Context(), "other", q)
	require.ErrorIs(t, err, backend.ErrInvalid)
	rest, err := e.Query(t.Context(), "s", q)
	require.NoError(t, err)
	require.Len(t, rest.Records, 2)
}

// In the order of first writing, a page can't go on after a key that was pruned: that is an error.
func TestPagesAfterAPrunedKey(t *testing.T) {
	e := openEngine(t, newLog(t))
	for n := range 4 {
		_, err := e.Write(t.Context(), fact(fmt.Sprint("k", n), n))
		require.NoError(t, err)
	}
	pages := map[bool]store.Query{}
	for _, byKey := range []bool{false, true} {
		q := store.Query{ByKey: byKey, Limit: 2}
		page, err := e.Query(t.Context(), "s", q)
		require.NoError(t, err)
		q.Cursor = page.Next
		pages[byKey] = q
	}
	require.NoError(t, e.Retain("s", store.Retention{Window: 1, Events: true}))
	_, err := e.Compact(t.Context())
	require.NoError(t, err)
	_, err = e.Write(t.Context(), fact("k9", 1))
	require.NoError(t, err)
	_, err = e.Query(t.Context(), "s", pages[false])
	require.ErrorContains(t, err, "not there any more")
	require.ErrorIs(t, err, backend.ErrInvalid)
	page, err := e.Query(t.Context(), "s", pages[true])
	require.NoError(t, err)
	require.Len(t, page.Records, 2)
	require.Empty(t, page.Next)
}

// Values are equal for scopes, indexes and relations exactly if they are equal in the order.
func TestEqualValues(t *testing.T) {
	e, _ := ordered(t)
	index, err := e.Index("s", "a.x")
	require.NoError(t, err)
	values := 0
	for v := range index.Values() {
		require.True(t, json.Valid([]byte(v)), v)
		values++
	}
	require.Equal(t, len(inOrder), values, "nothing is no value, null is one")
	for i, line := range inOrder[1:] {
		var want []string
		for j := range line {
			want = append(want, fmt.Sprint("k", j, i+1))
		}
		slices.Sort(want)
		for _, x := range line {
			scope, err := e.Scope("s", x, store.Filter{Where: map[store.Field]any{"a.x": json.RawMessage(x)}})
			require.NoError(t, err)
			require.Equal(t, want, keysOf(scope.List(t.Context(), store.Query{ByKey: true})), x)
			got := keysOf(index.List(t.Context(), json.RawMessage(x), store.Moment{}))
			slices.Sort(got)
			require.Equal(t, want, got, x)
		}
	}
	relation, err := e.Relation("ones", "s", "a.x")
	require.NoError(t, err)
	_, err = e.Write(t.Context(), backend.Fact{Store: "ones", Key: "1", Value: []byte("1")})
	require.NoError(t, err)
	many := keysOf(relation.Many(t.Context(), "1", store.Moment{}))
	require.Len(t, many, 4)
	for _, key := range many {
		_, ok, _ := relation.One(t.Context(), e.Latest("s", key), store.Moment{})
		require.True(t, ok, key)
	}
	require.Empty(t, keysOf(relation.Many(t.Context(), "1.0", store.Moment{})), "no number has that text")
}

// Numbers are ordered as exact fractions are.
func TestNumbersInOrder(t *testing.T) {
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		l := memory.New(memory.Options{})
		defer l.Close()
		e := openEngine(t, l)
		texts := rapid.SliceOfN(number, 1, 8).Draw(t, "numbers")
		for i, x := range texts {
			_, err := e.Write(t.Context(), backend.Fact{Store: "s", Key: fmt.Sprint(i), Value: []byte(`{"x":` + x + `}`)})
			require.NoError(t, err)
		}
		want := make([]string, len(texts))
		for i := range want {
			want[i] = fmt.Sprint(i)
		}
		slices.SortStableFunc(want, func(a, b string) int { return fraction(texts[a[0]-'0']).Cmp(fraction(texts[b[0]-'0'])) })
		require.Equal(t, want, keysOf(e.List(t.Context(), "s", store.Query{OrderBy: "x"})))
	})
}

func fraction(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text)
	}
	return r
}
