// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/store"
)

// compact prunes docs down to the latest facts of each key.
func (m *model) compact(s *side) {
	require.NoError(m.t, s.Sync(context.Background()))
	rule := store.Retention{
		Versions: rapid.IntRange(0, 4).Draw(m.t, "keep"), Forget: rapid.Bool().Draw(m.t, "forget"),
		Window: max(0, time.Duration(rapid.IntRange(-10, 20).Draw(m.t, "window"))*time.Second),
	}
	require.NoError(m.t, s.Retain("docs", store.Retention{})) // in place of what was set before
	require.NoError(m.t, s.Retain("docs", rule))
	plan := s.PlanCompaction()
	before := m.last()
	ctx, ends := m.context()
	_, err := s.Compact(ctx)
	if ends && err != nil {
		require.ErrorIs(m.t, err, context.Canceled)
		require.NoError(m.t, s.Sync(context.Background()))
		plan = append(plan, s.PlanCompaction()...) // more facts are old now: the first receipt advanced the log's time
		_, err = s.Compact(context.Background())
	}
	require.NoError(m.t, err)

	var seqs []uint64
	for _, c := range plan {
		seqs = slices.AppendSeq(seqs, seqrange.Set(c.Seqs).All())
		if rule.Versions == 0 && rule.Window > 0 {
			require.False(m.t, m.ordered() && c.Horizon.Time.After(c.Before), "what the window keeps can be read")
		}
	}
	slices.Sort(seqs)
	gone := seqrange.Collect(slices.Values(slices.Compact(seqs)))
	left := Oracle{}
	for _, f := range m.o {
		if !gone.Has(f.Seq) {
			left = append(left, f)
			continue
		}
		require.Equal(m.t, "docs", f.Store)
	}
	for _, f := range m.o {
		newer := len(m.o.Where(func(g backend.Fact) bool { return g.Store == f.Store && g.Key == f.Key && g.Seq > f.Seq }))
		if f.Store == "docs" && gone.Has(f.Seq) {
			least := rule.Versions
			if rule.Window > 0 {
				least = 1
			}
			require.True(m.t, newer >= least || rule.Forget && newer == 0 && f.Retraction(), "the latest facts are kept")
		}
	}
	now := m.ages(s)
	m.o = left
	receipts := m.log.after(before) // the intent, and the receipt
	m.took(receipts...)
	if len(receipts) > 0 {
		s.wrote(receipts)
	}
	m.receipt = m.last()
	m.equal(m.o, m.log.after(0), "the log after a compaction by %+v", rule)
	stats, err := m.log.log.Stats(context.Background())
	require.NoError(m.t, err)
	m.horizon = stats.Horizons["docs"]
	require.LessOrEqual(m.t, m.horizon.Seq, before)
	m.all = slices.DeleteFunc(m.all, func(f backend.Fact) bool { // a forgotten key is one that was never written
		return f.Store == "docs" && !slices.ContainsFunc(left, func(g backend.Fact) bool { return g.Store == f.Store && g.Key == f.Key })
	})
	require.NoError(m.t, s.Sync(context.Background()))
	// The receipts may have moved the log's time over a valid time.
	if rule.Window == 0 && !slices.ContainsFunc(left, func(f backend.Fact) bool { return f.ValidTime.After(now) && !f.ValidTime.After(m.ages(s)) }) {
		require.Empty(m.t, s.PlanCompaction(), "nothing is left to do")
	}
}

// ages returns the time from which s reckons ages: the log's, unless its own clock is earlier.
func (m *model) ages(s *side) (now time.Time) {
	for _, f := range m.o {
		now = later(now, f.TransactionTime)
	}
	if clock := s.now(); clock.Before(now) {
		return clock
	}
	return now
}
