package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// check compares all that s reads with the oracle.
func (m *model) check(s *side) {
	t := m.t
	moments := []store.Moment{{}}
	for range 3 {
		at := store.Moment{Seq: uint64(rapid.IntRange(0, int(m.last())+1).Draw(t, "at seq"))}
		if len(m.o) > 0 && rapid.Bool().Draw(t, "time") {
			at.Time = rapid.SampledFrom(m.o).Draw(t, "at").TransactionTime
		}
		if rapid.Bool().Draw(t, "valid") {
			at.Valid = time.Unix(int64(rapid.IntRange(1, 60).Draw(t, "valid at")), 0)
		}
		moments = append(moments, at)
	}
	any := func(backend.Fact) bool { return true }
	open := func(f backend.Fact) bool { return decodeDoc(f).Status == "open" }
	big := func(f backend.Fact) bool { return decodeDoc(f).N > 50 }
	for _, at := range append(moments, store.Moment{Seq: m.horizon.Seq, Time: m.horizon.Time, Valid: m.horizon.Time}) {
		q := store.Query{At: at}
		for _, err := range s.List(context.Background(), "docs", q) {
			if m.compacted(err, at); err != nil {
				break
			}
		}
		if _, _, err := s.GetAt(context.Background(), "docs", "a", at); m.compacted(err, at) {
			m.refused(s, at)
			continue
		}
		for _, key := range modelKeys {
			checkAt(t, m.all, s.Engine, "docs", key, at)
		}
		m.equal(m.current(at, any), factsOf(s.List(context.Background(), "docs", q)), "list at %v", at)
		m.equal(m.current(at, open), factsOf(s.open.List(context.Background(), q)), "open at %v", at)
		m.equal(m.current(at, big), factsOf(s.big.List(context.Background(), q)), "big at %v", at)
		m.pages(s, at, open)
		for _, status := range []string{"", "open", "none"} {
			found := s.status.List(context.Background(), status, at)
			m.equal(m.current(at, func(f backend.Fact) bool { return decodeDoc(f).Status == status }), factsOf(found), "status %q at %v", status, at)
		}
		for _, owner := range []string{"ana", "7", "true"} {
			m.equal(m.current(at, func(f backend.Fact) bool {
				o := decodeDoc(f).Owner
				return o == owner || owner == "7" && o == 7.0
			}), factsOf(s.owner.Many(context.Background(), owner, at)), "owner %q at %v", owner, at)
		}
		for r := range s.List(context.Background(), "docs", q) {
			want := (*backend.Fact)(nil)
			if o := decodeDoc(r.Fact()).Owner; o == "ana" || o == "7" || o == 7.0 {
				want = m.all.at("people", fmt.Sprint(o), at)
			}
			got, ok, _ := s.owner.One(context.Background(), r, at)
			require.Equal(t, want != nil && !want.Retraction(), ok)
			if ok {
				require.Equal(t, *want, got.Fact())
			}
		}
	}
	require.Equal(t, len(m.current(store.Moment{}, open)), s.open.Count())
	m.watch(s, open)
	m.loops(s, uint64(rapid.IntRange(0, int(m.last())).Draw(t, "loops after")))
	for _, f := range m.o {
		r, err := s.FactByID(f.ID)
		if f.Store == "docs" || f.Store == "people" || f.Store == store.CompactionStore {
			require.NoError(t, err)
		}
		require.Equal(t, f, r.Fact())
	}
}

// refused has every read as of a moment before the horizon say so.
func (m *model) refused(s *side, at store.Moment) {
	ctx := context.Background()
	past, err := s.Past(ctx, "docs")
	require.NoError(m.t, err)
	_, _, err = past.GetAt(ctx, "docs", "a", at)
	require.ErrorIs(m.t, err, backend.ErrCompacted)
	q := store.Query{At: at, Limit: 1}
	for _, query := range []func() (store.Results, error){
		func() (store.Results, error) { return s.Engine.Query(ctx, "docs", q) },
		func() (store.Results, error) { return s.open.Query(ctx, q) },
	} {
		_, err := query()
		require.ErrorIs(m.t, err, backend.ErrCompacted)
	}
	for _, loop := range []iter.Seq2[store.Record, error]{s.List(ctx, "docs", q), s.big.List(ctx, q), s.status.List(ctx, "open", at), s.owner.Many(ctx, "ana", at)} {
		pairs := 0
		for _, err := range loop {
			require.ErrorIs(m.t, err, backend.ErrCompacted)
			pairs++
		}
		require.Equal(m.t, 1, pairs)
	}
}

// loops reads facts in the order of the log after a seq: if facts may be missing, the loop says so first.
func (m *model) loops(s *side, after uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	want := m.o.where(func(f backend.Fact) bool { return f.Store == "docs" && f.Seq > after })
	tail := func(yield func(store.Record, error) bool) {
		n := 0
		if len(want) == 0 {
			cancel()
		}
		for r, err := range s.Tail(ctx, "docs", after) {
			if n == len(want) && !errors.Is(err, backend.ErrCompacted) || !yield(r, err) {
				return
			}
			if r.Seq() != 0 {
				n++
			}
			if n == len(want) {
				cancel()
			}
		}
	}
	for name, loop := range map[string]iter.Seq2[store.Record, error]{"facts": s.Facts(context.Background(), "docs", after), "tail": tail} {
		got, said := []backend.Fact{}, 0
		for r, err := range loop {
			if err != nil {
				require.ErrorIs(m.t, err, backend.ErrCompacted)
				require.Empty(m.t, got, "it is said first")
				said++
				continue
			}
			got = append(got, r.Fact())
		}
		m.equal(want, got, "%s after %d", name, after)
		require.Equal(m.t, after < m.horizon.Seq, said == 1, "%s after %d: said %d times with horizon %v", name, after, said, m.horizon)
	}
	sum := store.NewFold(s.Engine, 0, func(n int, _ store.Record) int { return n + 1 }, "docs")
	require.NoError(m.t, sum.Begin(context.Background(), 0, after))
	err := sum.Read(context.Background(), func(n int, _ uint64) { require.Equal(m.t, len(want), n) })
	require.Equal(m.t, after < m.horizon.Seq, errors.Is(err, backend.ErrCompacted), err)
}

// pages reads what is open in pages, in every order.
func (m *model) pages(s *side, at store.Moment, open func(backend.Fact) bool) {
	q := store.Query{
		At: at, ByKey: rapid.Bool().Draw(m.t, "by key"), Descending: rapid.Bool().Draw(m.t, "descending"),
		Prefix: rapid.SampledFrom([]string{"", "a", "b", "zz"}).Draw(m.t, "prefix"), Limit: rapid.IntRange(1, 3).Draw(m.t, "limit"),
		OrderBy: rapid.SampledFrom([]store.Field{"", "n"}).Draw(m.t, "order by"),
	}
	want := m.current(at, func(f backend.Fact) bool { return open(f) && strings.HasPrefix(f.Key, q.Prefix) })
	if q.ByKey || q.OrderBy != "" {
		slices.SortFunc(want, func(a, b backend.Fact) int { return strings.Compare(a.Key, b.Key) })
	}
	if q.OrderBy != "" {
		slices.SortStableFunc(want, func(a, b backend.Fact) int { return cmp.Compare(decodeDoc(a).N, decodeDoc(b).N) })
	}
	if q.Descending {
		slices.Reverse(want)
	}
	got := []backend.Fact{}
	for page, next := q, true; next; next = page.Cursor != "" {
		found, err := s.open.Query(context.Background(), page)
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

// watch reads what happened to the open scope from any seq on.
func (m *model) watch(s *side, open func(backend.Fact) bool) {
	after := uint64(rapid.IntRange(0, int(m.last())).Draw(m.t, "after"))
	var want, got []string
	was, known := map[string]bool{}, map[string]bool{}
	for _, f := range m.o {
		if f.Store != "docs" {
			continue
		}
		is := !f.Retraction() && open(f)
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
	if len(want) == 0 {
		cancel()
	}
	for e, err := range s.open.Watch(ctx, after) {
		if errors.Is(err, backend.ErrCompacted) {
			require.Less(m.t, after, m.horizon.Seq)
			require.Empty(m.t, got)
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
}
