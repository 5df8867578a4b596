// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// CompactionStore is the store of the receipts that [Engine.Compact] writes. The key of a receipt is the name of the
// store that was compacted. When an engine sees a receipt, it drops the facts that the receipt names.
const CompactionStore = "igniter.compactions"

// A Compaction is the value of a receipt: the facts that were pruned from a store or, if Pending, that are about
// to be pruned.
type Compaction struct {
	Store   string      `json:"store"`
	Rule    Retention   `json:"retention"`
	Before  time.Time   `json:"before,omitzero"` // when Rule.Window began; zero: there is no window
	Facts   int         `json:"facts"`           // how many facts
	Seqs    [][2]uint64 `json:"seqs"`            // their seqs, as ascending ranges: first and last
	Pending bool        `json:"pending,omitempty"`

	// Horizon is the moment before which the store's past is incomplete; zero in receipts of earlier releases: before
	// the receipt.
	Horizon backend.Horizon `json:"horizon,omitzero"`
}

// maxRanges is the most ranges of seqs in a receipt, which bounds its size.
const maxRanges = 20_000

// Compact prunes from the log, durably, the facts that the stores' retentions do not keep. Then it writes a receipt to
// [CompactionStore], and all engines on the log drop the same facts from memory; writes wait meanwhile. Compact returns
// what it pruned, even with an error; call it again to go on. If the backend can't prune, or the engine does not hold
// all facts (Options.KeepVersions), the error is errors.ErrUnsupported.
//
// Before it prunes, Compact writes a pending receipt. If no receipt follows the pending one, because a process died or
// the log failed, the next Compact of any engine writes a receipt for the facts that are gone from the log. It prunes
// no facts that its own retentions keep.
//
// A key that is written at the same time keeps at least the facts that it had to keep when Compact looked at it.
//
// After a compaction, a read as of a moment before its Horizon returns backend.ErrCompacted, in every engine; all other
// reads are as before. Receipts are facts like others, and a Retention may drop old ones.
//
// Every process that may write to CompactionStore can write a receipt, so engines do not trust receipts. An engine that
// follows a receipt reads the store's part of the log from the first to the last seq that the receipt names, and drops
// only facts that are gone from there. This costs each engine one read for each compaction.
func (e *Engine) Compact(ctx context.Context) ([]Compaction, error) {
	if e.reentered() {
		return nil, errReentered
	}
	if err := e.refused(ctx); err != nil {
		return nil, err
	}
	if e.opts.ReadOnly {
		return nil, fmt.Errorf("store: compact: %w", ErrReadOnly)
	}
	if e.opts.KeepVersions > 0 {
		return nil, fmt.Errorf("store: compact: the engine was opened with KeepVersions: %w", errors.ErrUnsupported)
	}
	if err := cmp.Or(e.Load(ctx, CompactionStore), e.mayRead(CompactionStore)); err != nil {
		return nil, fmt.Errorf("store: compact: %w", err)
	}
	done, err := e.compact(ctx)
	if err != nil {
		return done, err
	}
	if err := e.finishCompactions(ctx); err != nil {
		return done, fmt.Errorf("store: compact: finish what others left undone: %w", err)
	}
	return done, nil
}

func (e *Engine) compact(ctx context.Context) (done []Compaction, err error) {
	plan := e.PlanCompaction()
	if len(plan) > 0 && !e.log.Features().Prune {
		return nil, fmt.Errorf("store: compact: the log can't be pruned: %w", errors.ErrUnsupported)
	}
	if len(plan) > 0 { // while the log still tells for which sources they did not run
		for _, rule := range e.allRules() {
			e.catchUp(ctx, rule, true, e.derivationFailed)
		}
	}
	for _, c := range plan {
		pending := c
		pending.Pending = true
		intent, err := e.writeReceipt(ctx, pending, "")
		if err != nil {
			return done, fmt.Errorf("store: compact store %q: nothing of it is pruned: %w", c.Store, err)
		}
		if _, err := e.log.Prune(ctx, seqrange.Set(c.Seqs).All(), c.Horizon); err != nil {
			return done, fmt.Errorf("store: compact store %q: %w", c.Store, err)
		}
		if _, err := e.writeReceipt(ctx, c, c.receiptID(intent.ID)); err != nil {
			return done, fmt.Errorf("store: compact store %q: the facts are pruned, but other engines don't know until Compact is called again: %w", c.Store, err)
		}
		done = append(done, c)
	}
	return done, nil
}

// writeReceipt writes c as a fact with an ID. If id is "", the fact gets a new ID.
func (e *Engine) writeReceipt(ctx context.Context, c Compaction, id string) (backend.Fact, error) {
	value, err := json.Marshal(c)
	if err != nil {
		return backend.Fact{}, err
	}
	return e.Write(ctx, backend.Fact{ID: id, Store: CompactionStore, Key: c.Store, Value: value})
}

// receiptID returns the ID of the receipt of c that follows the pending one with the ID intent, so that all
// engines that write it write the same fact.
func (c Compaction) receiptID(intent string) string {
	return uuid.NewHash(sha256.New(), uuid.Nil, fmt.Appendf(nil, "%q %d", intent, c.Seqs), 8).String()
}

// finishCompactions writes the receipts that are missing after pending ones, for the facts that are gone. If only
// some facts of a compaction are gone, it may still be going on: the next call looks at it again.
func (e *Engine) finishCompactions(ctx context.Context) error {
	for r, err := range e.Facts(ctx, CompactionStore, 0) {
		if errors.Is(err, backend.ErrCompacted) {
			continue // receipts that were dropped have done their work
		}
		if err != nil {
			return err
		}
		if string(Field("pending").of(r.Value())) != "true" {
			continue
		}
		c, err := parseReceipt(r.Value(), r.Seq())
		if err != nil {
			e.opts.Logger.Warn("ignoring a receipt of a compaction", zap.Error(err), zap.Uint64("seq", r.Seq()))
			continue
		}
		if e.fact(CompactionStore, c.receiptID(r.ID())).data != nil {
			continue
		}
		gone, err := e.gone(ctx, c)
		if err != nil {
			return err
		}
		if gone.Facts == 0 {
			continue
		}
		if _, err := e.writeReceipt(ctx, gone, gone.receiptID(r.ID())); err != nil {
			return err
		}
	}
	return nil
}

// gone returns the part of c, which is pending, that the log no longer holds.
func (e *Engine) gone(ctx context.Context, c Compaction) (gone Compaction, err error) {
	gone = c
	gone.Pending, gone.Seqs, gone.Facts = false, nil, 0
	if len(c.Seqs) == 0 {
		return gone, nil
	}
	seqs := seqrange.Set(c.Seqs)
	held := make(map[uint64]bool)
	r := backend.Range{After: backend.Cursor{Seq: c.Seqs[0][0] - 1}, Through: c.Seqs[len(c.Seqs)-1][1], Stores: []string{c.Store}}
	for f, err := range backend.Facts(e.log.Replay(ctx, r)) {
		if err != nil {
			return gone, err
		}
		if seqs.Has(f.Seq) {
			held[f.Seq] = true
		}
	}
	for seq := range seqs.All() {
		if !held[seq] {
			gone.Seqs = seqrange.Set(gone.Seqs).Append(seq)
			gone.Facts++
		}
	}
	return gone, nil
}

// parseReceipt returns the value of a receipt, whose seqs must ascend and be before its own.
func parseReceipt(value []byte, own uint64) (c Compaction, err error) {
	if err := json.Unmarshal(value, &c); err != nil {
		return c, fmt.Errorf("store: a receipt of a compaction can't be read: %w", err)
	}
	next := uint64(1)
	for _, r := range c.Seqs {
		if r[0] < next || r[1] < r[0] || r[1] >= own {
			return c, fmt.Errorf("store: seqs %d to %d have no place in a receipt at seq %d", r[0], r[1], own)
		}
		next = r[1] + 1
	}
	if c.Horizon.Seq > own {
		return c, fmt.Errorf("store: a horizon at seq %d has no place in a receipt at seq %d", c.Horizon.Seq, own)
	}
	return c, nil
}

// compacted drops the facts that a receipt says were pruned, if the log has confirmed it, see ask. The caller holds mu.
func (e *Engine) compacted(receipt *backend.Fact) error {
	c, err := parseReceipt(receipt.Value, receipt.Seq)
	if err != nil {
		return err
	}
	if c.Pending || c.Facts == 0 {
		return nil
	}
	if confirmed, asked := e.confirmed[receipt.Seq]; asked { // otherwise this process has written it
		delete(e.confirmed, receipt.Seq)
		if e.buffer != nil {
			e.buffer.confirmed[receipt.Seq] = confirmed
		}
		c = confirmed
	} else if c.Horizon.IsZero() {
		c.Horizon = backend.Horizon{Seq: receipt.Seq, Time: receipt.TransactionTime}
	}
	if !c.Horizon.IsZero() {
		e.raise(map[string]backend.Horizon{c.Store: c.Horizon}, inMemory)
	}
	s := e.namespace(c.Store)
	if s == nil {
		return nil
	}
	if s.holds(c) {
		seqs, last := seqrange.Set(c.Seqs), uint64(0)
		kept := s.without(func(r Record) bool {
			gone := seqs.Has(r.Seq())
			if gone {
				last = max(last, r.Seq())
			}
			return gone
		}, false, e.Head())
		e.raise(map[string]backend.Horizon{c.Store: {Seq: last}}, 0)
		e.replace(kept)
	}
	return nil
}
