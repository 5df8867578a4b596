// SPDX-License-Identifier: Apache-2.0

// Package model is for tests of the engine over a backend. It changes a log at random, and compares each read of the
// engines with an oracle that goes through all facts.
package model

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Runs of the model on each backend.
const (
	runs     = 6
	runsSoak = 2000
)

// Run drives two engines on one log of each backend at random: writes, batches, conditions and retractions, with contexts
// that end at any step; compactions, reopenings, restores to an earlier seq with engines closed and open; clocks that jump,
// and grants that change. It compares every way to read with an Oracle. A failure prints its seed. share is the part of
// the usual runs that a backend gets, at least one; with IGNITER_SOAK=1 there are many more.
func Run(t *testing.T, share float64, backends ...Backend) {
	n := max(1, int(share*runs))
	if os.Getenv("IGNITER_SOAK") != "" {
		n = max(1, int(share*runsSoak))
	}
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		require.NoError(t, flag.Set("rapid.checks", strconv.Itoa(n)))
		t.Cleanup(func() { require.NoError(t, flag.Set("rapid.checks", f.DefValue)) })
	}
	for _, b := range backends {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				m := newModel(t, b)
				defer m.close()
				for range rapid.IntRange(1, 40).Draw(t, "steps") {
					m.step()
				}
				for _, s := range m.sides {
					m.look(s)
				}
			})
		})
	}
}

type model struct {
	t     *rapid.T
	log   *kept
	clock *clock
	sides [2]*side
	o     Oracle // what the log holds
	all   Oracle // what was ever written to it
	ids   int

	horizon   backend.Horizon // of docs
	receipt   uint64          // the seq of the latest compaction's receipt
	consumers []*consumer
}

func newModel(t *rapid.T, b Backend) *model {
	m := &model{t: t, clock: new(clock)}
	m.clock.move(1000 * time.Second)
	m.log = newKept(t, b, m.clock)
	m.reopenSides()
	return m
}

func (m *model) close() {
	m.closeSides()
	m.log.close()
}

func (m *model) step() {
	s := m.sides[rapid.IntRange(0, 1).Draw(m.t, "side")]
	m.clock.move(time.Duration(rapid.IntRange(0, 2000).Draw(m.t, "milliseconds")) * time.Millisecond)
	batches := s.way().Features().Batches
	switch step := rapid.IntRange(0, 19).Draw(m.t, "step"); {
	case step == 0 && batches:
		m.batch(s)
	case step == 1 && batches && s.reads("docs"):
		m.update(s)
	case step == 2:
		m.retract(s)
	case step == 3:
		m.reopen()
	case step == 4 && s.way().Features().Prune && s.keep == 0 && (s.n == 0 || !m.log.Served) && s.reads("docs"):
		m.compact(s)
	case step == 5:
		m.restore()
	case step == 6:
		m.jump(s)
	case step == 7 && m.log.Served:
		m.grant()
	case step == 8:
		m.consume(s)
	case step < 12:
		m.look(s)
	default:
		m.write(s)
	}
}

// look compares the reads of s with the oracle: now, and again once s shows the whole log.
func (m *model) look(s *side) {
	if head := s.Head(); head > m.receipt && rapid.Bool().Draw(m.t, "before it has seen all") {
		m.check(s, head)
	}
	require.NoError(m.t, s.Sync(context.Background()))
	require.Equal(m.t, m.last(), s.Head())
	s.synced()
	m.check(s, 0)
	m.tailed(s)
	m.folded(s)
}

type doc struct {
	N      int    `json:"n"`
	Status string `json:"status,omitempty"`
	Owner  any    `json:"owner,omitempty"`
}

// reopen closes the engines and the log, and opens them again.
func (m *model) reopen() {
	m.closeSides()
	m.log.hangUp()
	m.log.stop()
	m.log.open()
	m.log.dial()
	m.reopenSides()
}

var keys = []string{"a", "ab", "b", "c", "7"}

func (m *model) draw() backend.Fact {
	d := doc{N: rapid.IntRange(0, 100).Draw(m.t, "n"), Status: rapid.SampledFrom([]string{"", "open", "done"}).Draw(m.t, "status")}
	d.Owner = rapid.SampledFrom([]any{nil, "ana", "7", 7, true}).Draw(m.t, "owner")
	value := fmt.Appendf(nil, `{"n":%d,"status":%q,"owner":null}`, d.N, d.Status)
	if d.Owner != nil {
		value = fmt.Appendf(nil, `{ "owner" : %s, "n":%d,"stat\u0075s":%q}`, mustJSON(d.Owner), d.N, d.Status)
	}
	m.ids++
	f := backend.Fact{
		ID: fmt.Sprint("f", m.ids), Store: "docs", Key: rapid.SampledFrom(keys).Draw(m.t, "key"), Value: value,
		SchemaVersion: rapid.SampledFrom([]int{1, 1, 2, 2, 2, 3}).Draw(m.t, "version"),
	}
	if rapid.IntRange(0, 4).Draw(m.t, "valid") == 0 {
		f.ValidTime = m.drawTime("valid time")
	}
	return f
}

// drawTime returns a time around the clock's.
func (m *model) drawTime(label string) time.Time {
	return m.clock.now().Truncate(time.Second).Add(time.Duration(rapid.IntRange(-30, 30).Draw(m.t, label)) * time.Second)
}

// upcastDoc is the upcaster of docs. It fails for some values.
func upcastDoc(v json.RawMessage) (json.RawMessage, error) {
	var d doc
	if err := json.Unmarshal(v, &d); err != nil {
		return nil, err
	}
	switch d.N % 10 {
	case 3:
		return nil, errors.New("a value that can't be upcast")
	case 4:
		panic("a value that can't be upcast")
	}
	d.N++
	return json.Marshal(struct {
		doc
		Status string `json:"status"`
	}{d, d.Status})
}

// upcastOf returns the upcast value of a fact of docs; false if it has none.
func upcastOf(f backend.Fact) (d doc, ok bool) {
	if json.Unmarshal(f.Value, &d) != nil || f.Retraction() || f.SchemaVersion > 2 {
		return d, false
	}
	if f.SchemaVersion == 1 {
		if d.N%10 == 3 || d.N%10 == 4 {
			return d, false
		}
		d.N++
	}
	return d, true
}

func isBig(_ store.Record, value json.RawMessage) bool {
	var d doc
	return json.Unmarshal(value, &d) == nil && d.N > 50
}

func (m *model) last() uint64 {
	stats, err := m.log.log.Stats(context.Background())
	require.NoError(m.t, err)
	return stats.LastSeq
}

func (m *model) took(facts ...backend.Fact) {
	m.o, m.all = append(m.o, facts...), append(m.all, facts...)
}

// restore puts a log with the facts through an earlier seq in place of the log.
func (m *model) restore() {
	last := m.last()
	if m.horizon != (backend.Horizon{}) && (m.log.Volatile || m.horizon.Seq > last) {
		return // it comes back without gaps
	}
	through := uint64(rapid.IntRange(int(max(last, 5, m.horizon.Seq+5)-5), int(last)).Draw(m.t, "restored through"))
	// After a compaction, reads of the past may read the log, which is then another log.
	if (m.log.Served || m.log.Apart) && m.horizon == (backend.Horizon{}) && rapid.Bool().Draw(m.t, "under open clients") {
		for _, s := range m.sides {
			require.NoError(m.t, s.Sync(context.Background()))
		}
		m.log.restore(through)
		for _, s := range m.sides {
			err := s.Sync(context.Background())
			if common := m.commonOf(through); last > common || m.log.Ends {
				var diverged *backend.DivergedError
				require.ErrorAs(m.t, err, &diverged)
				require.Equal(m.t, common, diverged.Common)
				require.ErrorAs(m.t, s.Err(), &diverged)
				_, err = s.Import(context.Background(), m.draw())
				require.ErrorAs(m.t, err, &diverged)
				require.Equal(m.t, last, s.Head())
				_, _, err = s.GetAt(context.Background(), "docs", "a", store.AsOf(last+1))
				require.ErrorAs(m.t, err, &diverged)
				if s.keep == 0 && last > 0 { // otherwise reads would read the log, or there is nothing to read
					m.check(s, last)
				}
			} else {
				require.NoError(m.t, err)
			}
		}
		m.closeSides()
	} else {
		m.closeSides()
		m.log.restore(through)
	}
	m.log.hangUp()
	m.log.dial()
	common := m.commonOf(through)
	for _, c := range m.consumers {
		c.common = min(c.common, common)
	}
	cut := func(o Oracle) Oracle {
		return slices.DeleteFunc(o, func(f backend.Fact) bool { return f.Seq > through })
	}
	m.o, m.all = cut(m.o), cut(m.all)
	m.reopenSides()
}

// commonOf returns the last seq of the past that a restored log is known to have in common with the log before it.
func (m *model) commonOf(through uint64) uint64 {
	if m.log.Volatile || m.log.Four { // the latter tells of no ancestors
		return 0
	}
	return through
}

// jump sets the clock of the log, of one engine, or of the process that has opened the log for it.
func (m *model) jump(s *side) {
	d := time.Duration(rapid.IntRange(-100, 100).Draw(m.t, "jump")) * time.Second
	if rapid.Bool().Draw(m.t, "of the log's clock") {
		m.clock.move(d)
	} else if m.log.Apart && rapid.Bool().Draw(m.t, "of a process's clock") {
		m.log.skews[s.n].Store(int64(d))
	} else {
		s.skew.Store(int64(d))
	}
	for _, s := range m.sides {
		s.least = earlier(s.least, s.now())
	}
}

func (m *model) equal(want, got []backend.Fact, what string, args ...any) {
	if diff := gocmp.Diff(want, got); diff != "" {
		m.t.Fatalf("%s: -want +got\n%s", fmt.Sprintf(what, args...), diff)
	}
}

func mustJSON(v any) string {
	return string(must(json.Marshal(v)))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
