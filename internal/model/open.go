// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// What stays open while the log changes: loops, folds and engines whose grant changes.

// follow starts a loop over docs from the beginning that goes on until s is closed.
func (s *side) follow() {
	s.tail = make(chan tailed, 10_000)
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	go func() {
		defer close(s.tail)
		for r, err := range s.Tail(ctx, "docs", 0) {
			s.tail <- tailed{r, err}
		}
	}()
}

// tailed waits until the open loop has yielded the last fact of docs. The loop must have yielded all facts in order, or
// have told a horizon that covers the missing facts.
func (m *model) tailed(s *side) {
	if !s.reads("docs") {
		return
	}
	all := m.o.Where(func(f backend.Fact) bool { return f.Store == "docs" })
	reached := func() bool {
		return len(all) == 0 || len(s.tailed) > 0 && s.tailed[len(s.tailed)-1].Seq >= all[len(all)-1].Seq
	}
	for !reached() {
		select {
		case next, ok := <-s.tail:
			require.True(m.t, ok)
			if next.err == nil {
				s.tailed = append(s.tailed, next.r.Fact())
				continue
			}
			var compacted *backend.CompactedError
			require.ErrorAs(m.t, next.err, &compacted)
			s.missed = compacted.Horizon.Seq
		case <-time.After(time.Minute):
			m.t.Fatalf("an open loop did not get %+v", all[len(all)-1])
		}
	}
	require.True(m.t, slices.IsSortedFunc(s.tailed, func(a, b backend.Fact) int { return int(a.Seq) - int(b.Seq) }))
	for _, f := range all {
		i := slices.IndexFunc(s.tailed, func(g backend.Fact) bool { return f.Seq == g.Seq })
		require.GreaterOrEqual(m.t, i, 0, "the loop left out %+v", f)
		require.Equal(m.t, f, s.tailed[i])
	}
	for _, f := range m.all {
		if f.Store == "docs" && f.Seq >= s.missed {
			require.True(m.t, slices.ContainsFunc(s.tailed, func(g backend.Fact) bool { return f.Seq == g.Seq }), "the loop left out %+v, and did not say so", f)
		}
	}
}

// begin makes the fold of s, which has taken in nothing.
func (s *side) begin() {
	s.fold = store.NewChangeFold(s.Engine, map[string]int{}, func(sums map[string]int, before, after store.Record) map[string]int {
		n := func(r store.Record) int {
			var d doc
			if json.Unmarshal(r.Value(), &d) != nil {
				return 0
			}
			return d.N
		}
		sums[after.Key()] += n(after) - n(before)
		return sums
	}, "docs")
	s.from = 0
}

// folded reads the fold that s keeps by changes since it was opened, and checks that it has the current n of each key.
func (m *model) folded(s *side) {
	if !s.reads("docs") {
		return
	}
	var got map[string]int
	read := func(sums map[string]int, seq uint64) {
		require.Equal(m.t, s.Head(), seq)
		got, s.from = maps.Clone(sums), seq
	}
	from := s.from
	err := s.fold.Read(context.Background(), read)
	if errors.Is(err, backend.ErrCompacted) {
		require.Less(m.t, from, m.horizon.Seq)
		s.begin()
		require.NoError(m.t, s.fold.Begin(context.Background(), m.sums(store.AsOf(m.horizon.Seq)), m.horizon.Seq))
		err = s.fold.Read(context.Background(), read)
	} else {
		require.GreaterOrEqual(m.t, from, m.horizon.Seq)
	}
	require.NoError(m.t, err)
	want := m.sums(store.Moment{})
	for key := range want {
		require.Equal(m.t, want[key], got[key], "by changes, %q", key)
	}
}

// sums returns the n of each key of docs at a moment.
func (m *model) sums(at store.Moment) map[string]int {
	sums := map[string]int{}
	for _, key := range keys {
		var d doc
		if f := m.all.At("docs", key, at); f != nil && at != store.AsOf(0) {
			_ = json.Unmarshal(f.Value, &d)
		}
		sums[key] = d.N
	}
	return sums
}

// grant changes the stores that the second client may read, or locks it out for a moment.
func (m *model) grant() {
	s := m.sides[1]
	if rapid.IntRange(0, 3).Draw(m.t, "not let in") == 0 {
		m.log.noToken()
		for {
			f, err := s.Import(context.Background(), m.draw())
			if err != nil {
				require.ErrorIs(m.t, err, backend.ErrUnauthenticated)
				break
			}
			m.took(f) // the server has not looked yet
			s.wrote([]backend.Fact{f})
		}
	}
	stores := rapid.SampledFrom([][]string{nil, {"docs", store.CompactionStore}, {"people"}, {}, {"docs", store.CompactionStore, "people"}}).Draw(m.t, "readable")
	m.log.grant(stores)
	s.stores = stores
	if rapid.Bool().Draw(m.t, "writes meanwhile") {
		m.write(m.sides[0])
	}
	for deadline := time.Now().Add(time.Minute); !m.shows(s); runtime.Gosched() {
		require.NoError(m.t, s.Err())
		require.True(m.t, time.Now().Before(deadline), "it may read %q and shows %q: %+v, %+v", stores, s.Engine.Stores(), s.way().Features(), s.Health())
	}
}

// shows reports whether s shows exactly what it may read.
func (m *model) shows(s *side) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := s.Sync(ctx)
	require.NotErrorIs(m.t, err, context.DeadlineExceeded)
	features := s.way().Features().Stores
	want := slices.Clone(s.stores)
	slices.Sort(want)
	return err == nil && s.Health().Healthy() && slices.Equal(features, want) && (features == nil) == (s.stores == nil) && s.showsStores()
}

func (s *side) showsStores() bool {
	for _, name := range []string{"docs", "people", store.CompactionStore} {
		if errors.Is(firstError(s.List(context.Background(), name, store.Query{})), backend.ErrForbidden) == s.reads(name) {
			return false // a store without facts shows nothing in either case
		}
		has := s.m.o.Where(func(f backend.Fact) bool { return f.Store == name })
		if (len(has) > 0 && s.reads(name)) != slices.Contains(s.Engine.Stores(), name) {
			return false
		}
	}
	return true
}
