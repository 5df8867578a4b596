// SPDX-License-Identifier: Apache-2.0

package file

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A crashModel has the facts that a log with one writer must hold, according to its results so far.
type crashModel struct {
	acked   map[uint64]backend.Fact // acknowledged but not pruned
	pruned  map[uint64]bool         // by an acknowledged Prune
	pruning map[uint64]bool         // asked to be pruned, not acknowledged: gone or not
	gone    map[uint64]bool         // the part of pruning that was missing in an earlier read
	doubt   map[string]backend.Fact // by ID: submitted, not acknowledged: there or not
	refused map[string]bool         // the part of doubt that was reported as not written
	batches [][]string              // IDs of batches in doubt: there whole or not at all
	last    uint64                  // the highest seq acknowledged
	durable uint64                  // the highest one said to be durable
	next    int                     // the number of the next new fact
	small   bool                    // new facts are small
	clock   *atomic.Int64
}

func newCrashModel() *crashModel {
	return &crashModel{
		acked: map[uint64]backend.Fact{}, pruned: map[uint64]bool{}, pruning: map[uint64]bool{}, gone: map[uint64]bool{},
		doubt: map[string]backend.Fact{}, refused: map[string]bool{}, clock: &atomic.Int64{},
	}
}

func (m *crashModel) seqs() []uint64 { return slices.Sorted(maps.Keys(m.acked)) }

func (m *crashModel) fact() backend.Fact {
	m.next++
	return newCrashFact(m.next-1, m.small)
}

// latest returns the ID of a key's latest fact, "" if it has none.
func (m *crashModel) latest(f backend.Fact) string {
	seq := uint64(0)
	for s, held := range m.acked {
		if held.Store == f.Store && held.Key == f.Key && !m.gone[s] {
			seq = max(seq, s)
		}
	}
	return m.acked[seq].ID
}

// expected returns facts as the log must hold them, without their seqs and transaction times.
func (m *crashModel) expected(facts []backend.Fact) ([]backend.Fact, error) {
	all := slices.Clone(facts)
	for i := range all {
		f := &all[i]
		hash, err := wire.Hash(f.Value)
		if err != nil {
			return nil, err
		}
		f.ValueHash, f.SchemaVersion, f.Causation = hash, 1, m.latest(*f)
		for _, before := range all[:i] {
			if before.Store == f.Store && before.Key == f.Key {
				f.Causation = before.ID
			}
		}
	}
	return all, nil
}

// write writes facts, as a batch if there are several. They are in doubt until they are acknowledged.
func (m *crashModel) write(ctx context.Context, l *crashLog, facts ...backend.Fact) error {
	want, err := m.expected(facts)
	if err != nil {
		return err
	}
	var ids []string
	for _, f := range want {
		m.doubt[f.ID] = f
		ids = append(ids, f.ID)
	}
	m.batches = append(m.batches, ids)
	held := make([]backend.Fact, 1)
	if len(facts) == 1 {
		held[0], err = l.WriteFact(ctx, facts[0])
	} else {
		held, err = writeBatch(ctx, l, backend.Batch{Facts: facts})
	}
	if err != nil {
		return err
	}
	if len(held) != len(want) {
		return broken("%d facts were acknowledged of a batch of %d", len(held), len(want))
	}
	for i, f := range held {
		if f.Seq <= m.last {
			return broken("the new fact %s was given seq %d, and %d was acknowledged before", f.ID, f.Seq, m.last)
		}
		if i > 0 && f.Seq != held[i-1].Seq+1 {
			return broken("the batch's facts have seqs %d and %d", held[i-1].Seq, f.Seq)
		}
		m.last = f.Seq
		if diff := crashDiff(m.at(want[i], f), f); diff != "" {
			return broken("fact %s was acknowledged as another:\n%s", f.ID, diff)
		}
		m.acked[f.Seq] = f
		delete(m.doubt, f.ID)
		delete(m.refused, f.ID)
	}
	m.batches = slices.DeleteFunc(m.batches, func(b []string) bool { return slices.Contains(b, ids[0]) })
	return nil
}

// at returns a fact in doubt with the fields that only the log knows.
func (m *crashModel) at(f, held backend.Fact) backend.Fact {
	f.Seq, f.TransactionTime = held.Seq, held.TransactionTime
	return f
}

// again writes a held fact again, and expects the fact as it was first written.
func (m *crashModel) again(ctx context.Context, l *crashLog, f backend.Fact) error {
	held, err := l.WriteFact(ctx, crashResubmitted(f))
	if err != nil {
		return err
	}
	if diff := crashDiff(f, held); diff != "" {
		return broken("fact %s, written again, is another:\n%s", f.ID, diff)
	}
	return nil
}

func (m *crashModel) prune(ctx context.Context, l *crashLog, seqs []uint64) error {
	for _, seq := range seqs {
		m.pruning[seq] = true
	}
	_, err := l.Prune(ctx, slices.Values(seqs), backend.Horizon{})
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		delete(m.acked, seq)
		delete(m.pruning, seq)
		delete(m.gone, seq)
		m.pruned[seq] = true
	}
	return nil
}

// observe notes which facts the log says are durable.
func (m *crashModel) observe(ctx context.Context, l *crashLog) {
	if s, err := l.Stats(ctx); err == nil {
		m.durable = max(m.durable, s.DurableSeq)
	}
}

// crashLoss says which facts may be missing after a crash.
type crashLoss int

const (
	loseNothing crashLoss = iota
	loseTail              // the last facts that were not reported as durable
)

// verify reads the log and compares it with the model.
func (m *crashModel) verify(ctx context.Context, l *crashLog, loss crashLoss) ([]backend.Fact, error) {
	var found []backend.Fact
	for f, err := range backend.Facts(l.Replay(ctx, backend.Range{})) {
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	last := uint64(0)
	var at time.Time
	ids := map[string]bool{}
	there := map[uint64]bool{}
	for _, f := range found {
		switch doubtful, ok := m.doubt[f.ID]; {
		case f.Seq <= last:
			return nil, broken("seq %d follows %d", f.Seq, last)
		case f.TransactionTime.Before(at):
			return nil, broken("the fact at seq %d has the time %s, the one before it %s", f.Seq, f.TransactionTime, at)
		case ids[f.ID]:
			return nil, broken("fact %s is there twice", f.ID)
		case m.pruned[f.Seq]:
			return nil, broken("the fact at seq %d was pruned and is there", f.Seq)
		case m.acked[f.Seq].ID != "":
			if diff := crashDiff(m.acked[f.Seq], f); diff != "" {
				return nil, broken("the fact at seq %d is not what was acknowledged:\n%s", f.Seq, diff)
			}
		case !ok:
			return nil, broken("fact %s at seq %d was never written", f.ID, f.Seq)
		default:
			if diff := crashDiff(m.at(doubtful, f), f); diff != "" {
				return nil, broken("the fact at seq %d is not what was to be written:\n%s", f.Seq, diff)
			}
		}
		last, at, ids[f.ID], there[f.Seq] = f.Seq, f.TransactionTime, true, true
	}
	for _, batch := range m.batches {
		n := 0
		for _, id := range batch {
			if ids[id] {
				n++
			}
		}
		if n > 0 && n < len(batch) {
			return nil, broken("of a batch of %d facts %d are there: %q", len(batch), n, batch)
		}
	}
	for _, seq := range m.seqs() {
		lost := !there[seq] && !m.pruning[seq]
		if lost && (loss == loseNothing || seq < last || seq <= m.durable) {
			return nil, broken("the fact at seq %d was acknowledged and is lost; the last one there is %d, durable were %d", seq, last, m.durable)
		}
	}
	stats, err := l.Stats(ctx)
	if err != nil {
		return nil, err
	}
	if stats.Facts != uint64(len(found)) || stats.LastSeq < last || loss == loseNothing && stats.LastSeq < m.last {
		return nil, broken("Stats says %d facts up to seq %d, and there are %d up to %d, of %d", stats.Facts, stats.LastSeq, len(found), last, m.last)
	}
	m.last = stats.LastSeq // lower than before if the tail was lost: its seqs are given again
	return found, nil
}

// settle makes the facts found after opening, which are durable then, the facts that the log must hold.
func (m *crashModel) settle(found []backend.Fact) {
	clear(m.acked)
	for _, f := range found {
		m.acked[f.Seq] = f
		delete(m.doubt, f.ID)
		m.batches = slices.DeleteFunc(m.batches, func(b []string) bool { return slices.Contains(b, f.ID) })
	}
	for seq := range m.pruning {
		m.pruned[seq] = m.acked[seq].ID == "" && seq <= m.last
	}
	clear(m.pruning)
	clear(m.gone)
	m.durable = m.last
}

// goOn writes to a reopened log: held facts, facts that were never acknowledged, and new ones.
func (m *crashModel) goOn(ctx context.Context, l *crashLog) error {
	if seqs := m.seqs(); len(seqs) > 0 {
		for _, i := range []int{0, len(seqs) / 2, len(seqs) - 1} {
			if err := m.again(ctx, l, m.acked[seqs[i]]); err != nil {
				return err
			}
		}
	}
	batches := m.batches
	m.batches = nil
	for _, batch := range batches {
		var facts []backend.Fact
		for _, id := range batch {
			if f, ok := m.doubt[id]; ok {
				facts = append(facts, crashResubmitted(f))
			}
		}
		if err := m.write(ctx, l, facts...); err != nil {
			return err
		}
	}
	if err := m.write(ctx, l, m.fact()); err != nil {
		return err
	}
	return m.write(ctx, l, m.fact(), m.fact())
}

// crashDiff is "" if two facts are the same in everything.
func crashDiff(want, got backend.Fact) string {
	if want.Seq == got.Seq && want.ID == got.ID && want.Store == got.Store && want.Key == got.Key &&
		bytes.Equal(want.Value, got.Value) && want.ValueHash == got.ValueHash && want.Causation == got.Causation &&
		want.TransactionTime.Equal(got.TransactionTime) && want.ValidTime.Equal(got.ValidTime) &&
		want.SchemaVersion == got.SchemaVersion && bytes.Equal(want.Producer, got.Producer) && bytes.Equal(want.Derivation, got.Derivation) {
		return ""
	}
	return gocmp.Diff(want, got)
}

// Replay of a silent log ends at damage without an error.
func (l *crashLog) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for p, err := range l.Log.Replay(ctx, r) {
			if l.silent && errors.Is(err, backend.ErrCorrupt) || !yield(p, err) {
				return
			}
		}
	}
}
