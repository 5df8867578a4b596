// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A side is one engine on the log, with its projections and an open loop.
type side struct {
	*store.Engine
	m      *model
	n      int
	keep   int          // Options.KeepVersions
	skew   atomic.Int64 // of its clock
	stores []string     // that it may read; nil: all
	shown  []shownTime

	perhaps []shownTime  // of facts that came by Follow: s may have shown them then, or later
	least   time.Time    // the earliest time of its clock since it was synced
	open    *store.Scope // {"status":"open"}
	big     *store.Scope // n > 50, by Match
	status  *store.Index
	owner   *store.Relation

	fold *store.Fold[map[string]int] // n of each key of docs, by changes
	from uint64                      // through where it was read, if the horizon was not after that

	stop   context.CancelFunc // ends tail
	tail   chan tailed
	tailed []backend.Fact // yielded by a loop from the beginning
	missed uint64         // the horizon that it told
}

type tailed struct {
	r   store.Record
	err error
}

func (s *side) way() backend.Log { return backend.Complete(s.m.log.ways[s.n]) }

// reads reports whether s may read a store.
func (s *side) reads(name string) bool { return s.stores == nil || slices.Contains(s.stores, name) }

func (s *side) now() time.Time { return s.m.clock.now().Add(time.Duration(s.skew.Load())) }

func (m *model) closeSides() {
	for _, s := range m.sides {
		s.stop()
		require.NoError(m.t, s.Close())
		for range s.tail {
		}
	}
}

func (m *model) reopenSides() {
	for i := range m.sides {
		s := &side{m: m, n: i}
		if old := m.sides[i]; old != nil {
			s.stores = old.stores
		}
		m.sides[i] = s
		opts := store.Options{Now: s.now, Logger: zap.NewNop()}
		if rapid.Bool().Draw(m.t, "stores are loaded when asked for") {
			opts.Stores = []string{}
		}
		s.keep = max(0, rapid.IntRange(-2, 3).Draw(m.t, "versions kept"))
		opts.KeepVersions = s.keep
		var err error
		s.Engine, err = store.Open(context.Background(), m.log.ways[i], opts)
		require.NoError(m.t, err)
		require.NoError(m.t, s.Upcast("docs", upcastDoc))
		require.NoError(m.t, s.Load(context.Background(), "docs", "people", store.CompactionStore))
		s.open, err = s.Scope("docs", "open", store.Filter{Where: map[store.Field]any{"status": "open"}})
		require.NoError(m.t, err)
		s.big, err = s.Scope("docs", "big", store.Filter{Match: isBig})
		require.NoError(m.t, err)
		s.status, err = s.Index("docs", "status")
		require.NoError(m.t, err)
		s.owner, err = s.Relation("people", "docs", "owner")
		require.NoError(m.t, err)
		s.begin()
		s.follow()
		s.least = s.now()
		s.synced()
	}
}

// A consumer is a reader of docs that keeps its position.
type consumer struct {
	at     backend.Cursor
	common uint64 // the log has what it read through this seq
}

// consume lets a consumer read on from its position, or begin, and keep its new position.
func (m *model) consume(s *side) {
	if !s.reads("docs") {
		return
	}
	require.NoError(m.t, s.Sync(context.Background()))
	if len(m.consumers) == 0 || rapid.Bool().Draw(m.t, "a new consumer") {
		m.consumers = append(m.consumers, &consumer{common: math.MaxUint64})
	}
	c := rapid.SampledFrom(m.consumers).Draw(m.t, "consumer")
	after, err := s.Resume(context.Background(), c.at)
	if c.at.Seq > c.common || c.at.Seq > m.last() {
		var diverged *backend.DivergedError
		require.ErrorAs(m.t, err, &diverged)
		require.Equal(m.t, min(c.common, m.last()), diverged.Common)
		c.at.Seq = diverged.Common
		after, err = s.Resume(context.Background(), c.at)
	}
	require.NoError(m.t, err)
	require.Equal(m.t, c.at.Seq, after)
	m.loops(s, after)
	c.at, c.common = s.Cursor(), math.MaxUint64
	for range rapid.IntRange(0, 3).Draw(m.t, "steps back") {
		c.at.Seq -= min(c.at.Seq, 1)
	}
}
