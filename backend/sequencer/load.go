// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"time"

	"github.com/igniter-store/igniter/backend"
)

// Load adds a fact of the log. Facts must be loaded in the order of their seqs.
func (s *Sequencer) Load(f *backend.Fact) {
	s.next = f.Seq + 1
	s.LoadTime(f.TransactionTime)
	id := IDOf(f.ID)
	s.ids.add(f.Store, s.ids.hash(f.Store, id), f.Seq)
	s.keys.set(f.Store, f.Key, s.keys.hash(f.Store, f.Key), f.Seq, id)
}

// Reserve makes room for the given numbers of IDs and keys, so that loading them does not grow tables repeatedly.
func (s *Sequencer) Reserve(ids, keys int) {
	s.ids.reserve(ids)
	s.keys.table.reserve(keys)
}

// A Loaded has the fields of a fact that the sequencer loads. LoadIDs ignores Key. If Store is empty, the store is unknown:
// the ID is then looked up for every store, which takes longer.
type Loaded struct {
	Store, Key string
	Seq        uint64
	ID         ID
}

// LoadIDs adds the IDs of facts of the log, in the order of their seqs, for a log that keeps IDs apart from facts. A log
// with [backend.Features.AllIDs] must load all of them. Together, LoadIDs, [Sequencer.LoadKeys], [Sequencer.LoadTime] and
// [Sequencer.Skip] do the work of Load. Each of them may run on its own goroutine.
func (s *Sequencer) LoadIDs(facts []Loaded) {
	for i := range facts {
		f := &facts[i]
		s.ids.add(f.Store, s.ids.hash(f.Store, f.ID), f.Seq)
	}
}

// LoadKeys makes facts of the log the latest of their keys.
func (s *Sequencer) LoadKeys(facts []Loaded) {
	for i := range facts {
		f := &facts[i]
		s.keys.set(f.Store, f.Key, s.keys.hash(f.Store, f.Key), f.Seq, f.ID)
	}
}

// LoadTime adds the transaction time of a fact of the log.
func (s *Sequencer) LoadTime(t time.Time) {
	if t.After(s.last) {
		s.last = t
	}
}

// Skip raises the next Seq to at least next, for a log whose last facts were removed.
func (s *Sequencer) Skip(next uint64) { s.next = max(s.next, next) }
