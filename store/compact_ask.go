// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"slices"
	"sort"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// ask looks at the receipts of compactions in a page that is about to be applied, and asks the log which of their facts
// are really gone. Otherwise a forged receipt could make facts vanish from memory, or hide the past. ask reads the log
// for a receipt if followed is true, since the engine or one of its buffers may hold its facts, or if the engine or the
// page holds one of its facts. ask returns only errors that end reading; it ignores a receipt that the log cannot
// confirm.
func (e *Engine) ask(ctx context.Context, facts []backend.Fact, followed bool) error {
	for i := range facts {
		f := &facts[i]
		if f.Store != CompactionStore || f.Seq <= e.Head() {
			continue
		}
		c, err := parseReceipt(f.Value, f.Seq)
		if err != nil || c.Pending || c.Facts == 0 {
			continue // compacted says so
		}
		confirmed := Compaction{Store: c.Store}
		if access := e.access.Load(); access == nil || access.has(c.Store) {
			if followed || e.holds(c, facts[:i]) {
				confirmed, err = e.gone(ctx, c)
			}
			var stats backend.Stats
			if err == nil {
				stats, err = e.log.Stats(ctx)
			}
			confirmed.Horizon = stats.Horizon(c.Store)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil, passes(err), errors.Is(err, backend.ErrClosed), errors.Is(err, backend.ErrDiverged), errors.Is(err, backend.ErrAccessChanged):
			return err
		default:
			e.opts.Logger.Warn("the log cannot say whether a compaction took place: its facts stay in memory", zap.Error(err), zap.Uint64("seq", f.Seq))
			confirmed = Compaction{Store: c.Store}
		}
		if confirmed.Facts < c.Facts && followed {
			e.opts.Logger.Warn("a receipt of a compaction names facts that the log still has", zap.Uint64("seq", f.Seq), zap.String("store", c.Store))
		}
		e.mu.Lock()
		if e.confirmed == nil {
			e.confirmed = map[uint64]Compaction{}
		}
		e.confirmed[f.Seq] = confirmed
		e.mu.Unlock()
	}
	return nil
}

// holds reports whether the engine, or before, which are the facts before the receipt in its page, has a fact that c
// names.
func (e *Engine) holds(c Compaction, before []backend.Fact) bool {
	seqs := seqrange.Set(c.Seqs)
	if slices.ContainsFunc(before, func(f backend.Fact) bool { return f.Store == c.Store && seqs.Has(f.Seq) }) {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.namespace(c.Store)
	return s != nil && s.holds(c)
}

// holds reports whether the namespace has a fact that a compaction names.
func (s *namespace) holds(c Compaction) bool {
	count := int(s.count.Load())
	return slices.ContainsFunc(c.Seqs, func(r [2]uint64) bool {
		n := sort.Search(count, func(n int) bool { return s.nth(n).Seq() >= r[0] })
		return n < count && s.nth(n).Seq() <= r[1]
	})
}
