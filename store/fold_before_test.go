// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A fold's step gets the record that the fold took in before, also if it was dropped from memory or pruned since: the
// sum of all changes is the sum of what is current.
func TestChangeFolds(t *testing.T) {
	for _, keep := range []int{0, 1, 2} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			e, err := store.Open(t.Context(), newLog(t), store.Options{KeepVersions: keep})
			require.NoError(t, err)
			defer e.Close()
			require.NoError(t, e.Retain("s", store.Retention{Versions: 1}))
			number := func(r store.Record) int {
				n, _ := strconv.Atoi(string(r.Value())) // 0 for null and for no record
				return n
			}
			var folds []*store.Fold[int]
			for range 3 {
				folds = append(folds, store.NewChangeFold(e, 0, func(sum int, before, after store.Record) int {
					return sum - number(before) + number(after)
				}, "s", "other"))
			}
			current := map[string]int{}
			for i := range 4000 {
				f := backend.Fact{Store: "s", Key: fmt.Sprint("k", i*i%7), Value: fmt.Append(nil, i)}
				current[f.Key] = i
				if i%11 == 0 {
					f.Value, current[f.Key] = []byte("null"), 0
				}
				_, err := e.Write(t.Context(), f)
				require.NoError(t, err)
				if i%1500 == 1499 && keep == 0 {
					for _, fold := range folds { // or they miss what is pruned
						require.NoError(t, fold.Read(t.Context(), func(int, uint64) {}))
					}
					_, err := e.Compact(t.Context())
					require.NoError(t, err)
				}
				for n, fold := range folds {
					if i%[]int{1, 50, 3999}[n] == 0 {
						want := 0
						for _, v := range current {
							want += v
						}
						require.NoError(t, fold.Read(t.Context(), func(sum int, _ uint64) { require.Equal(t, want, sum, "fact %d, fold %d", i, n) }))
					}
				}
			}
		})
	}
}

// After Begin, a fold gets the changes of the facts that it takes in, whatever it has taken in before.
func TestChangeFoldsBegunAnew(t *testing.T) {
	e := openEngine(t, newLog(t))
	for n := range 4 {
		must(e.Write(t.Context(), backend.Fact{Store: "s", Key: "k", Value: fmt.Append(nil, n)}))
	}
	fold := store.NewChangeFold(e, "", func(all string, before, after store.Record) string {
		return fmt.Sprintf("%s %s>%s", all, before.Value(), after.Value())
	}, "s")
	for _, begin := range []uint64{0, 2, 0, 1} {
		require.NoError(t, fold.Begin(t.Context(), "", begin))
		require.NoError(t, fold.Read(t.Context(), func(all string, _ uint64) {
			require.Equal(t, []string{" >0 0>1 1>2 2>3", " 0>1 1>2 2>3", " 1>2 2>3"}[begin], all)
		}))
	}
}
