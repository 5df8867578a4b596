// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// check compares the reads of s with the oracle. If through is not 0, it compares reads of the log as it was through that
// seq, of which s may know less than the oracle.
func (m *model) check(s *side, through uint64) {
	t := m.t
	for _, name := range []string{"docs", "people", store.CompactionStore} {
		if !s.reads(name) {
			require.ErrorIs(t, firstError(s.List(context.Background(), name, store.Query{})), backend.ErrForbidden)
			require.ErrorIs(t, firstError(s.Facts(context.Background(), name, 0)), backend.ErrForbidden)
			require.Empty(t, s.Latest(name, "a").Fact())
		}
	}
	if !s.reads("docs") {
		return
	}
	moments := []store.Moment{{Seq: through}}
	for range 3 {
		at := store.Moment{Seq: through}
		if rapid.Bool().Draw(t, "at a seq") {
			at.Seq = uint64(rapid.IntRange(0, int(m.last())+1).Draw(t, "at seq"))
		}
		if through != 0 {
			at.Seq = min(max(at.Seq, 1), through)
		}
		at.Time, at.Valid = m.drawMoment("time"), m.drawMoment("valid at")
		moments = append(moments, at)
	}
	horizon := store.Moment{Seq: m.horizon.Seq, Time: m.horizon.Time, Valid: m.horizon.Time}
	if through == 0 {
		moments = append(moments, store.ValidNow())
	} else {
		horizon.Seq = through
	}
	for _, at := range append(moments, horizon) {
		m.checkAt(s, at, through != 0)
	}
	if through != 0 {
		return
	}
	m.checkAt(s, store.Moment{Time: s.now()}, false)
	m.checkAt(s, store.Moment{Valid: s.now()}, false)
	if s.stores == nil { // a read as of now shows the same as a read without a moment
		m.list(s, m.current(store.Moment{}, func(backend.Fact) bool { return true }), FactsOf(s.List(context.Background(), "docs", store.Query{At: store.Moment{Time: s.now()}})), "now")
	}
	m.watch(s)
	m.loops(s, uint64(rapid.IntRange(0, int(m.last())).Draw(t, "loops after")))
	m.since(s)
	m.histories(s)
	for _, f := range m.o {
		if !s.reads(f.Store) || !s.Loaded(f.Store) {
			continue
		}
		r, err := s.FactByID(f.ID)
		if s.keep > 0 && errors.Is(err, store.ErrDropped) {
			continue
		}
		require.NoError(t, err)
		require.Equal(t, f, r.Fact())
	}
}

// drawMoment returns a time to read as of; zero in half of the cases.
func (m *model) drawMoment(label string) time.Time {
	switch rapid.IntRange(0, 3).Draw(m.t, label) {
	case 0:
		return m.drawTime(label)
	case 1:
		if len(m.o) > 0 {
			f := rapid.SampledFrom(m.o).Draw(m.t, "the time of a fact")
			if f.ValidTime.IsZero() || rapid.Bool().Draw(m.t, "its transaction time") {
				return f.TransactionTime
			}
			return f.ValidTime
		}
	}
	return time.Time{}
}

// resolved returns the moment of which s answers a read as of at; ok is false if that moment is not known.
func (m *model) resolved(s *side, at store.Moment) (real store.Moment, ok bool) {
	if at == store.ValidNow() {
		return store.Moment{Valid: later(later(s.now(), m.o.newest("docs")), m.horizon.Time)}, true
	}
	known := false
	at.Time, ok = s.seen(at.Time)
	at.Valid, known = s.seen(at.Valid)
	return at, ok && known
}

// checkAt compares every read of docs as of a moment. A side that lags behind may answer what the log has pruned.
func (m *model) checkAt(s *side, at store.Moment, lags bool) {
	t := m.t
	ctx, q := context.Background(), store.Query{At: at}
	real, known := m.resolved(s, at)
	if !known {
		return
	}
	_, _, err := s.GetAt(ctx, "docs", "a", at)
	if !lags && at.Seq > m.last() {
		require.ErrorIs(t, err, backend.ErrDiverged, "beyond the end")
		return
	}
	if hidden := m.horizon.Hides(real.Seq, real.Time, real.Valid); hidden != errors.Is(err, backend.ErrCompacted) {
		require.True(t, lags && hidden, "%v as of %+v, with horizon %v", err, real, m.horizon)
		return
	}
	if errors.Is(err, backend.ErrCompacted) {
		m.refused(s, at)
		return
	}
	any := func(backend.Fact) bool { return true }
	open := func(f backend.Fact) bool { d, ok := upcastOf(f); return ok && d.Status == "open" }
	big := func(f backend.Fact) bool { d, ok := upcastOf(f); return ok && d.N > 50 }
	for _, key := range keys {
		m.get(s.Engine, key, at, real)
	}
	if !lags && at == real {
		past, err := s.Past(ctx, "docs")
		require.NoError(t, err)
		for _, key := range keys {
			m.get(past, key, at, real)
		}
	}
	m.list(s, m.current(real, any), FactsOf(s.List(ctx, "docs", q)), "list at %+v", real)
	m.list(s, m.current(real, open), FactsOf(s.open.List(ctx, q)), "open at %+v", real)
	m.list(s, m.current(real, big), FactsOf(s.big.List(ctx, q)), "big at %+v", real)
	m.pages(s, at, real, open)
	for _, status := range []string{"", "open", "none"} {
		found := s.status.List(ctx, status, at)
		m.list(s, m.current(real, func(f backend.Fact) bool { d, ok := upcastOf(f); return ok && d.Status == status }), FactsOf(found), "status %q at %+v", status, real)
	}
	for _, owner := range []string{"ana", "7", "true"} {
		m.list(s, m.current(real, func(f backend.Fact) bool {
			d, ok := upcastOf(f)
			return ok && (d.Owner == owner || owner == "7" && d.Owner == 7.0)
		}), FactsOf(s.owner.Many(ctx, owner, at)), "owner %q at %+v", owner, real)
	}
	if s.reads("people") && !lags && at == real {
		for r, err := range s.List(ctx, "docs", q) {
			require.NoError(t, err)
			want := (*backend.Fact)(nil)
			if d, ok := upcastOf(r.Fact()); ok && (d.Owner == "ana" || d.Owner == "7" || d.Owner == 7.0) {
				want = m.all.At("people", fmt.Sprint(d.Owner), real)
			}
			got, ok, err := s.owner.One(ctx, r, at)
			require.NoError(t, err)
			require.Equal(t, want != nil && !want.Retraction(), ok)
			if ok {
				require.Equal(t, *want, got.Fact())
			}
		}
	}
	if at == (store.Moment{}) {
		require.Equal(t, len(m.current(at, open)), s.open.Count())
		require.Equal(t, len(m.current(at, big)), s.big.Count())
	}
}

func (m *model) get(e *store.Engine, key string, at, real store.Moment) {
	want := m.all.At("docs", key, real)
	got, ok, err := e.GetAt(context.Background(), "docs", key, at)
	require.NoError(m.t, err)
	require.Equal(m.t, want != nil && !want.Retraction(), ok, "%q at %+v", key, real)
	if want == nil {
		want = new(backend.Fact)
	}
	require.Equal(m.t, *want, got.Fact(), "%q at %+v", key, real)
	if want.ID != "" {
		d, ok := upcastOf(*want)
		value, err := got.Upcast()
		require.Equal(m.t, !ok && !want.Retraction(), err != nil)
		if ok {
			found := new(doc)
			require.NoError(m.t, json.Unmarshal(value, found))
			require.Equal(m.t, d, *found)
		}
	}
	if at == (store.Moment{}) {
		now, nowOK := e.Get("docs", key)
		require.Equal(m.t, ok, nowOK)
		require.Equal(m.t, *want, now.Fact())
		require.Equal(m.t, *want, e.Latest("docs", key).Fact())
	}
}

// current returns the facts that are the values of docs at a moment, in the order of the keys' first facts.
func (m *model) current(at store.Moment, ok func(backend.Fact) bool) []backend.Fact {
	var keys []string
	for _, f := range m.o {
		if f.Store == "docs" && !slices.Contains(keys, f.Key) {
			keys = append(keys, f.Key)
		}
	}
	all := []backend.Fact{}
	for _, key := range keys {
		if f := m.all.At("docs", key, at); f != nil && !f.Retraction() && ok(*f) {
			all = append(all, *f)
		}
	}
	return all
}

// refused checks that every read as of a moment before the horizon returns ErrCompacted.
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

// taken returns the facts that a loop yields. said reports that the loop first yielded ErrCompacted; ended reports that it
// ended with the error of its context, which only a loop whose context ends may do.
func (m *model) taken(loop iter.Seq2[store.Record, error], ends bool) (facts []backend.Fact, said, ended bool) {
	facts = []backend.Fact{}
	for r, err := range loop {
		require.False(m.t, ended, "an error ends the loop")
		switch {
		case err == nil:
			facts = append(facts, r.Fact())
		case ends && errors.Is(err, context.Canceled):
			ended = true
		default:
			require.ErrorIs(m.t, err, backend.ErrCompacted)
			require.Empty(m.t, facts, "it is said first")
			require.False(m.t, said)
			said = true
		}
	}
	return facts, said, ended
}

// loops reads the facts of docs after a seq, in the order of the log. If facts may be missing, a loop must yield
// ErrCompacted first. A loop whose context ends must yield a part of the same facts.
func (m *model) loops(s *side, after uint64) {
	want := m.o.Where(func(f backend.Fact) bool { return f.Store == "docs" && f.Seq > after })
	compacted := after < m.horizon.Seq
	for name, read := range map[string]func(context.Context) iter.Seq2[store.Record, error]{
		"facts": func(ctx context.Context) iter.Seq2[store.Record, error] { return s.Facts(ctx, "docs", after) },
		"tail":  func(ctx context.Context) iter.Seq2[store.Record, error] { return firstOf(ctx, s, after, len(want)) },
	} {
		ctx, ends := m.context()
		got, said, ended := m.taken(read(ctx), ends || name == "tail")
		if ends {
			require.LessOrEqual(m.t, len(got), len(want))
			m.equal(want[:len(got)], got, "%s after %d, before its context ended", name, after)
			require.True(m.t, ended || len(got) == len(want))
			continue
		}
		m.equal(want, got, "%s after %d", name, after)
		require.Equal(m.t, compacted, said, "%s after %d: said %t with horizon %v", name, after, said, m.horizon)
	}
	sum := store.NewFold(s.Engine, 0, func(n int, _ store.Record) int { return n + 1 }, "docs")
	require.NoError(m.t, sum.Begin(context.Background(), 0, after))
	ctx, ends := m.context()
	count := func(n int, _ uint64) { require.Equal(m.t, len(want), n) }
	err := sum.Read(ctx, count)
	if ends && errors.Is(err, context.Canceled) {
		err = sum.Read(context.Background(), count)
	}
	require.Equal(m.t, compacted, errors.Is(err, backend.ErrCompacted), err)
}

// firstOf is a Tail of docs that ends after n facts.
func firstOf(ctx context.Context, s *side, after uint64, n int) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if n == 0 {
			cancel()
		}
		for r, err := range s.Tail(ctx, "docs", after) {
			if !yield(r, err) {
				return
			}
			if r.Seq() != 0 {
				n--
			}
			if n == 0 {
				cancel()
			}
		}
	}
}

// since reads the facts since a time.
func (m *model) since(s *side) {
	t := m.drawMoment("since")
	want := m.o.Where(func(f backend.Fact) bool { return f.Store == "docs" && !f.TransactionTime.Before(t) })
	got, said, _ := m.taken(s.FactsSince(context.Background(), "docs", t), false)
	m.equal(want, got, "facts since %v", t)
	require.Equal(m.t, t.Before(m.horizon.Time), said)
}

// histories reads what is left of each key.
func (m *model) histories(s *side) {
	at := store.Moment{Seq: uint64(rapid.IntRange(0, int(m.last())).Draw(m.t, "history at")), Time: m.drawMoment("history time"), Valid: m.drawMoment("history valid")}
	real, known := m.resolved(s, at)
	if !known {
		return
	}
	for _, key := range keys {
		want := m.o.Where(func(f backend.Fact) bool {
			return f.Store == "docs" && f.Key == key && (real.Seq == 0 || f.Seq <= real.Seq) &&
				(real.Time.IsZero() || !f.TransactionTime.After(real.Time)) && (real.Valid.IsZero() || !Effective(f).After(real.Valid))
		})
		got, said, _ := m.taken(s.History(context.Background(), "docs", key, at), false)
		m.equal(want, got, "history of %q at %+v", key, real)
		require.Equal(m.t, m.horizon.Seq > 0, said)
	}
}
