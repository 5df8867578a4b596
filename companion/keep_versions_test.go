// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/companion"
)

// A Store with KeepVersions reads the same past as one without.
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
	now, err := numbers.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Less(t, now.Version, n, "facts were dropped from memory")
	require.Len(t, collect(t, numbers.History(t.Context(), "k", companion.Moment{})), n)
	require.Len(t, collect(t, numbers.History(t.Context(), "k", companion.AsOf(10))), 10)
	r, err := numbers.GetAt(t.Context(), "k", companion.Moment{Seq: 10})
	require.NoError(t, err)
	require.Equal(t, 9, r.Value)
	found := collect(t, numbers.List(t.Context(), companion.Query{At: companion.Moment{Seq: 10}}))
	require.Equal(t, 9, found[0].Value)
	past := numbers.History(t.Context(), "k", companion.Moment{})
	_, err = numbers.Put(t.Context(), "k", n)
	require.NoError(t, err)
	require.Len(t, collect(t, past), n+1, "each loop reads again")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range numbers.History(ctx, "k", companion.Moment{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

// With KeepVersions, scopes, relations and folds read the same past as without; a lineage reports that it can't.
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
	sum := companion.NewFold(visits, 0, func(sum int, _, _ companion.Record[visit]) int { return sum + 1 })
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
	done, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, sum.Read(done, func(int, uint64) { t.Error("read") }), context.Canceled)
	require.NoError(t, sum.Read(t.Context(), func(sum int, seq uint64) { require.Equal(t, [2]int{n, 2 * n}, [2]int{sum, int(seq)}) }))
}
