// SPDX-License-Identifier: Apache-2.0

package sequencer

import (
	"time"

	"github.com/igniter-store/igniter/backend"
)

// Load takes in a fact that the log holds. Facts are loaded in the order of their seqs.
func (s *Sequencer) Load(f *backend.Fact) {
	s.next = f.Seq + 1
	s.LoadTime(f.TransactionTime)
	id := IDOf(f.ID)
	s.ids.add(f.Store, id, f.Seq)
	s.keys.set(f.Store, f.Key, f.Seq, id)
}

// Reserve makes room for the given numbers of IDs and keys, so that loading them does not grow tables again
// and again.
func (s *Sequencer) Reserve(ids, keys int) {
	s.ids.reserve(ids)
	s.keys.table.reserve(keys)
}

// A Loaded is what the sequencer must know of a fact that the log holds. LoadIDs does not look at Key,
// and looks an ID up in all stores whose Store is not known and empty, which takes longer.
type Loaded struct {
	Store, Key string
	Seq        uint64
	ID         ID
}

// LoadIDs takes in the IDs of facts that the log holds, for a log that keeps IDs apart from facts: in the
// order of seqs, all of them if the log says [backend.Features.AllIDs]. LoadIDs, [Sequencer.LoadKeys], [Sequencer.LoadTime]
// and [Sequencer.Skip] together stand for Load, and each may run on a goroutine of its own.
func (s *Sequencer) LoadIDs(facts []Loaded) {
	for i := range facts {
		s.ids.add(facts[i].Store, facts[i].ID, facts[i].Seq)
	}
}

// LoadKeys makes facts that the log holds the latest of their keys.
func (s *Sequencer) LoadKeys(facts []Loaded) {
	for i := range facts {
		f := &facts[i]
		s.keys.set(f.Store, f.Key, f.Seq, f.ID)
	}
}

// LoadTime takes in the transaction time of a fact that the log holds.
func (s *Sequencer) LoadTime(t time.Time) {
	if t.After(s.last) {
		s.last = t
	}
}

// Skip makes the next Seq at least next, for a log whose last facts were removed.
func (s *Sequencer) Skip(next uint64) { s.next = max(s.next, next) }
