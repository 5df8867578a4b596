// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
)

// TestPostings writes and retracts records at random, with many equal hashes, and compares what an index finds
// with a scan of every key.
func TestPostings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := memory.New(memory.Options{})
		defer l.Close()
		e, err := Open(t.Context(), l, Options{})
		require.NoError(t, err)
		defer e.Close()
		x, err := e.Index("s", "f")
		require.NoError(t, err)
		_, err = e.Write(t.Context(), backend.Fact{Store: "s", Key: "none", Value: []byte("1")})
		require.NoError(t, err)
		p := x.postings(e.view("s"))
		p.hash = func(token string) uint64 { return uint64(len(token)) }

		current, order := map[string]string{}, []string{}
		for range rapid.IntRange(1, 60).Draw(t, "writes") {
			key := fmt.Sprint("k", rapid.IntRange(0, 9).Draw(t, "key"))
			has := rapid.SampledFrom([]string{"null", `{}`, `{"f":1}`, `{"f":2}`, `{"f":"1"}`, `{"f":[]}`, `{"f":33}`}).Draw(t, "value")
			_, err := e.Write(t.Context(), backend.Fact{Store: "s", Key: key, Value: []byte(has)})
			require.NoError(t, err)
			if current[key] = has; !slices.Contains(order, key) {
				order = append(order, key)
			}
		}
		live := map[string]bool{}
		for _, v := range []any{1, 2, "1", []int{}, 33, 44} {
			var want, got []string
			value := fmt.Sprintf(`{"f":%#v}`, v)
			if _, ok := v.([]int); ok {
				value = `{"f":[]}`
			}
			for _, key := range order {
				if current[key] == value {
					want = append(want, key)
					live[value] = true
				}
			}
			for r, err := range x.List(t.Context(), v, Moment{}) {
				require.NoError(t, err)
				got = append(got, r.Key())
			}
			require.Equal(t, want, got, value)
		}
		tokens := slices.Collect(x.Values())
		require.Len(t, tokens, len(live))
		for _, token := range tokens {
			require.True(t, live[`{"f":`+token+`}`], token)
		}
		require.Len(t, p.groups, len(live)+len(p.free)+1, "groups are used again")
	})
}
