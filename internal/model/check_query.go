// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// list compares records in the order of first writing. A side that does not hold first facts does not know which
// ones a compaction left.
func (m *model) list(s *side, want, got []backend.Fact, what string, args ...any) {
	if m.unordered(s) {
		for _, facts := range [][]backend.Fact{want, got} {
			slices.SortFunc(facts, func(a, b backend.Fact) int { return strings.Compare(a.Key, b.Key) })
		}
	}
	m.equal(want, got, what, args...)
}

func (m *model) unordered(s *side) bool { return s.keep > 0 && m.receipt > 0 }

// pages reads what is open, and all, in pages, in every order.
func (m *model) pages(s *side, at, real store.Moment, open func(backend.Fact) bool) {
	q := store.Query{
		At: at, ByKey: rapid.Bool().Draw(m.t, "by key"), Descending: rapid.Bool().Draw(m.t, "descending"),
		Prefix: rapid.SampledFrom([]string{"", "a", "b", "zz"}).Draw(m.t, "prefix"), Limit: rapid.IntRange(1, 3).Draw(m.t, "limit"),
		OrderBy: rapid.SampledFrom([]store.Field{"", "n"}).Draw(m.t, "order by"),
	}
	q.ByKey = q.ByKey || m.unordered(s)
	all := rapid.Bool().Draw(m.t, "of all records")
	fits := func(backend.Fact) bool { return true }
	if rapid.Bool().Draw(m.t, "where") {
		fits = func(f backend.Fact) bool { return len(f.Value)%2 == 0 }
		q.Where = func(r store.Record) bool { return fits(r.Fact()) }
	}
	want := m.current(real, func(f backend.Fact) bool {
		return (all || open(f)) && strings.HasPrefix(f.Key, q.Prefix) && fits(f)
	})
	if q.ByKey || q.OrderBy != "" {
		slices.SortFunc(want, func(a, b backend.Fact) int { return strings.Compare(a.Key, b.Key) })
	}
	if q.OrderBy != "" {
		n := func(f backend.Fact) int {
			if d, ok := upcastOf(f); ok {
				return d.N
			}
			return -1 // there is no value in the field
		}
		slices.SortStableFunc(want, func(a, b backend.Fact) int { return cmp.Compare(n(a), n(b)) })
	}
	if q.Descending {
		slices.Reverse(want)
	}
	got := []backend.Fact{}
	for page, next := q, true; next; next = page.Cursor != "" {
		found, err := s.open.Query(context.Background(), page)
		if all {
			found, err = s.Query(context.Background(), "docs", page)
		}
		require.NoError(m.t, err)
		require.LessOrEqual(m.t, len(found.Records), q.Limit)
		require.Equal(m.t, found.Next == "", len(got)+len(found.Records) >= len(want))
		for _, r := range found.Records {
			got = append(got, r.Fact())
		}
		page.Cursor = found.Next
	}
	m.equal(want, got, "%+v", q)
}

// watch reads the changes of the open scope after a random seq.
func (m *model) watch(s *side) {
	after := uint64(rapid.IntRange(0, int(m.last())).Draw(m.t, "after"))
	var want, got []string
	was, known := map[string]bool{}, map[string]bool{}
	for _, f := range m.o {
		if f.Store != "docs" {
			continue
		}
		d, ok := upcastOf(f)
		is := ok && d.Status == "open"
		change := map[[2]bool]store.Transition{{false, true}: store.Entered, {true, true}: store.Updated, {true, false}: store.Left}[[2]bool{was[f.Key], is}]
		if change == 0 && !known[f.Key] && f.Causation != "" {
			change = store.Left // the facts before it were pruned
		}
		was[f.Key], known[f.Key] = is, true
		if f.Seq > after && change != 0 {
			want = append(want, fmt.Sprint(change, " ", f.ID))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	if len(want) == 0 && after >= m.horizon.Seq {
		cancel()
	}
	said := false
	for e, err := range s.open.Watch(ctx, after) {
		if errors.Is(err, backend.ErrCompacted) {
			require.Empty(m.t, got)
			if said = true; len(want) == 0 {
				cancel() // not earlier: facts that are not in memory are read with the context
			}
			continue
		}
		if err != nil {
			require.True(m.t, errors.Is(err, context.Canceled), err)
			break
		}
		if got = append(got, fmt.Sprint(e.Transition, " ", e.Record.ID())); len(got) == len(want) {
			cancel()
		}
	}
	cancel()
	require.Equal(m.t, want, got)
	require.Equal(m.t, after < m.horizon.Seq, said)
}
