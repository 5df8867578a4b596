// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// counted reads the field n of values such as {"n":7}, and counts how often.
type counted struct{ reads atomic.Int64 }

func (c *counted) ReadField(value []byte) []byte {
	c.reads.Add(1)
	if text, ok := strings.CutPrefix(string(value), `{"n":`); ok {
		return []byte(strings.TrimSuffix(text, "}"))
	}
	return nil
}

// TestKeptOrder lists by a field between writes: new keys, changed ones, retractions, more at once than an order takes
// over. What is listed is compared with a map, and once the order is kept a short list reads few records.
func TestKeptOrder(t *testing.T) {
	e := openEngine(t, newLog(t))
	scope, err := e.Scope("s", "even", store.Filter{Match: func(_ store.Record, value json.RawMessage) bool { return value[len(value)-2]%2 == 0 }})
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	by := &counted{}
	values := map[string]int{}
	for round := range 60 {
		writes := random.IntN(60)
		if round%20 == 0 {
			writes = 2000
		}
		for range writes {
			key := fmt.Sprint("k", random.IntN(3000))
			if n := random.IntN(300); n < 20 {
				_, err = e.Retract(t.Context(), backend.Fact{Store: "s", Key: key})
				delete(values, key)
			} else {
				_, err = e.Write(t.Context(), backend.Fact{Store: "s", Key: key, Value: fmt.Appendf(nil, `{"n":%d}`, n)})
				values[key] = n
			}
			require.NoError(t, err)
		}
		all := make([]string, 0, len(values))
		for key := range values {
			all = append(all, key)
		}
		slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(values[a], values[b]), strings.Compare(a, b)) })
		even := slices.DeleteFunc(slices.Clone(all), func(key string) bool { return values[key]%2 != 0 })
		for range 2 { // the second list finds the order
			for _, descending := range []bool{false, true} {
				q := store.Query{OrderBy: "n", Descending: descending}.ReadBy(by)
				require.Equal(t, all, keysOf(e.List(t.Context(), "s", q)))
				q.Limit = 50 + random.IntN(1000)
				require.Equal(t, even, pagesOf(t, func(q store.Query) (store.Results, error) { return scope.Query(t.Context(), q) }, q))
				require.Equal(t, all, pagesOf(t, func(q store.Query) (store.Results, error) { return e.Query(t.Context(), "s", q) }, q))
				slices.Reverse(all)
				slices.Reverse(even)
			}
		}
		before := by.reads.Load()
		require.Equal(t, all[:20], keysOf(e.List(t.Context(), "s", store.Query{OrderBy: "n", Limit: 20}.ReadBy(by))))
		require.Less(t, by.reads.Load()-before, int64(len(all)/3), "it looked at every record")
	}
}

// pagesOf returns the keys of all pages of a query.
func pagesOf(t *testing.T, list func(store.Query) (store.Results, error), q store.Query) (keys []string) {
	for next := true; next; next = q.Cursor != "" {
		page, err := list(q)
		require.NoError(t, err)
		for _, r := range page.Records {
			keys = append(keys, r.Key())
		}
		q.Cursor = page.Next
	}
	return keys
}

// An uncomparable reader reads a field; == between two would panic.
type uncomparable struct {
	field store.Field
	_     []int
}

func (u uncomparable) ReadField(value []byte) []byte {
	var v map[string]json.RawMessage
	_ = json.Unmarshal(value, &v)
	return v[string(u.field)]
}

// Orders of more fields than are kept, and readers that can't be told apart, work all the same. A query that runs while
// an upcaster is set does not keep the order of before.
func TestOrdersOfManyFields(t *testing.T) {
	e := openEngine(t, newLog(t))
	for n := range 200 {
		_, err := e.Write(t.Context(), backend.Fact{Store: "s", Key: fmt.Sprintf("k%03d", n), SchemaVersion: 1, Value: fmt.Appendf(nil, `{"n":%d,"m":{"n":%d}}`, 199-n, n)})
		require.NoError(t, err)
	}
	first := func(q store.Query) string {
		q.Limit = 1
		return strings.Join(keysOf(e.List(t.Context(), "s", q)), " ")
	}
	for range 3 {
		for n := range 12 {
			require.Equal(t, "k000", first(store.Query{OrderBy: store.Field(fmt.Sprint("f", n))}))
		}
		require.Equal(t, "k199", first(store.Query{OrderBy: "n"}))
		require.Equal(t, "k000", first(store.Query{OrderBy: "m.n"}))
		require.Equal(t, "k199", first(store.Query{OrderBy: "n"}.ReadBy(uncomparable{field: "n"})))
	}
	require.NoError(t, e.Upcast("s", func(value json.RawMessage) (json.RawMessage, error) {
		var v struct{ M json.RawMessage }
		return v.M, json.Unmarshal(value, &v)
	}))
	for range 3 {
		require.Equal(t, "k000", first(store.Query{OrderBy: "n"}))
	}
}

// moody panics once, when it is asked for the second list.
type moody struct {
	counted
	panics atomic.Bool
}

func (m *moody) ReadField(value []byte) []byte {
	if m.panics.Swap(false) {
		panic("moody")
	}
	return m.counted.ReadField(value)
}

// TestOrderAfterAPanic: a reader that panics while an order is made does not keep later lists from making it.
func TestOrderAfterAPanic(t *testing.T) {
	e := openEngine(t, newLog(t))
	for n := range 100 {
		_, err := e.Write(t.Context(), backend.Fact{Store: "s", Key: fmt.Sprint("k", n), Value: fmt.Appendf(nil, `{"n":%d}`, n)})
		require.NoError(t, err)
	}
	by := &moody{}
	list := func() []string {
		return keysOf(e.List(t.Context(), "s", store.Query{OrderBy: "n", Limit: 3}.ReadBy(by)))
	}
	require.Equal(t, []string{"k0", "k1", "k2"}, list())
	by.panics.Store(true)
	require.Panics(t, func() { list() })
	for range 3 {
		by.reads.Store(0)
		require.Equal(t, []string{"k0", "k1", "k2"}, list())
	}
	require.Less(t, by.reads.Load(), int64(50), "the order is kept")
}
