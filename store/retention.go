package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A Retention says which facts of a store are kept. The zero Retention keeps all.
type Retention struct {
	// Versions is how many facts of each key are kept, the latest ones; 1: the latest only; 0: all.
	Versions int `json:"versions,omitempty"`

	// Window is how far back the store can be read: facts that another of their key had replaced
	// before that are dropped; 0: for ever.
	Window time.Duration `json:"window,omitempty"`

	// Events says that the store is a history: facts older than Window are dropped, although no
	// other of their key replaces them.
	Events bool `json:"events,omitempty"`
}

// CompactionStore is the store of the receipts that [Engine.Compact] leaves, each under the name of
// the store that was compacted. Engines drop what a receipt says was pruned when they see it.
const CompactionStore = "igniter.compactions"

// A Compaction is the value of a receipt: what was pruned from a store.
type Compaction struct {
	Store  string      `json:"store"`
	Rule   Retention   `json:"retention"`
	Before time.Time   `json:"before,omitzero"` // where Window began; zero: no Window
	Facts  int         `json:"facts"`           // how many were pruned
	Seqs   [][2]uint64 `json:"seqs"`            // theirs: from and through, ascending
}

// maxRanges is how many ranges of seqs a receipt has at most, so that it stays a fact of modest size.
const maxRanges = 20_000

// Retain says what [Engine.Compact] keeps of a store. It replaces what was said before.
func (e *Engine) Retain(store string, r Retention) error {
	if err := checkStore(store); err != nil {
		return err
	}
	switch {
	case r.Versions < 0:
		return &backend.InvalidError{Field: "versions", Reason: fmt.Sprint(r.Versions, " is below 0")}
	case r.Window < 0:
		return &backend.InvalidError{Field: "window", Reason: fmt.Sprint(r.Window, " is below 0")}
	case r.Events && r.Window == 0:
		return &backend.InvalidError{Field: "events", Reason: "without a window"}
	case store == CompactionStore:
		return &backend.InvalidError{Field: "store", Reason: "the receipts of compactions are kept"}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.retentions == nil {
		e.retentions = make(map[string]Retention)
	}
	e.retentions[store] = r
	return nil
}

// PlanCompaction returns what [Engine.Compact] would prune now, by store, and changes nothing.
func (e *Engine) PlanCompaction() []Compaction {
	e.mu.Lock()
	rules := maps.Clone(e.retentions)
	e.mu.Unlock()
	now := e.opts.Now()
	var plan []Compaction
	for _, store := range slices.Sorted(maps.Keys(rules)) {
		if s := e.namespace(store); s != nil {
			plan = append(plan, s.plan(rules[store], now)...)
		}
	}
	return plan
}

// Compact prunes from the log, for good, what the stores' retentions do not keep, and writes a
// receipt for it to [CompactionStore], at which all engines on the log drop the same facts from
// memory. A store is not written while its facts are dropped. It returns what it pruned, also with
// an error: calling it again goes on. The backend must be a [backend.Pruner].
//
// An engine that does not hold all facts (Options.KeepVersions) can't know, which is
// errors.ErrUnsupported. A key that is written to at the same time keeps what was kept when Compact looked at it, or more.
func (e *Engine) Compact(ctx context.Context) ([]Compaction, error) {
	if e.opts.KeepVersions > 0 {
		return nil, fmt.Errorf("store: compact: the engine was opened with KeepVersions: %w", errors.ErrUnsupported)
	}
	if err := e.Load(ctx, CompactionStore); err != nil {
		return nil, err
	}
	var done []Compaction
	for _, c := range e.PlanCompaction() {
		if _, err := backend.Prune(ctx, e.log, c.seqs()); err != nil {
			return done, fmt.Errorf("store: compact store %q: %w", c.Store, err)
		}
		value, err := json.Marshal(c)
		if err == nil {
			_, err = e.Write(ctx, backend.Fact{Store: CompactionStore, Key: c.Store, Value: value})
		}
		if err != nil {
			return done, fmt.Errorf("store: compact store %q: the facts are pruned, but other engines don't know: %w", c.Store, err)
		}
		done = append(done, c)
	}
	return done, nil
}

func (c Compaction) seqs() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, r := range c.Seqs {
			for seq := r[0]; seq <= r[1]; seq++ {
				if !yield(seq) {
					return
				}
			}
		}
	}
}

func (c Compaction) has(seq uint64) bool {
	i := sort.Search(len(c.Seqs), func(i int) bool { return c.Seqs[i][1] >= seq })
	return i < len(c.Seqs) && c.Seqs[i][0] <= seq
}

// plan returns what a retention does not keep of the namespace.
func (s *namespace) plan(rule Retention, now time.Time) []Compaction {
	c := Compaction{Store: s.name, Rule: rule}
	if rule.Window > 0 {
		c.Before = now.Add(-rule.Window).UTC()
	}
	var seqs []uint64
	for n := range s.keys.count.Load() {
		r, _ := s.key(n)
		kept, replaced := 0, time.Time{} // when the next fact of the key came
		for ; r.data != nil; r = r.prev() {
			old := rule.Window > 0 && (!replaced.IsZero() && replaced.Before(c.Before) || rule.Events && r.TransactionTime().Before(c.Before))
			if old || rule.Versions > 0 && kept >= rule.Versions {
				seqs = append(seqs, r.Seq())
			} else {
				kept++
			}
			replaced = r.TransactionTime()
		}
	}
	slices.Sort(seqs)
	var all []Compaction
	for _, seq := range seqs {
		if last := len(c.Seqs) - 1; last >= 0 && c.Seqs[last][1]+1 == seq {
			c.Seqs[last][1]++
		} else {
			if len(c.Seqs) == maxRanges {
				all = append(all, c)
				c.Seqs, c.Facts = nil, 0
			}
			c.Seqs = append(c.Seqs, [2]uint64{seq, seq})
		}
		c.Facts++
	}
	if c.Facts > 0 {
		all = append(all, c)
	}
	return all
}

// compacted drops the facts that a receipt says were pruned. The caller holds mu.
func (e *Engine) compacted(receipt *backend.Fact) error {
	var c Compaction
	if err := json.Unmarshal(receipt.Value, &c); err != nil {
		return errors.Join(errors.New("store: a receipt of a compaction can't be read"), err)
	}
	s := e.namespace(c.Store)
	if s == nil || c.Store == CompactionStore {
		return nil
	}
	count := int(s.count.Load())
	for _, r := range c.Seqs {
		n := sort.Search(count, func(n int) bool { return s.nth(n).Seq() >= r[0] })
		if n < count && s.nth(n).Seq() <= r[1] {
			e.spaces.Store(c.Store, s.without(func(r Record) bool { return c.has(r.Seq()) }, false))
			break
		}
	}
	return nil
}

// without returns a copy of the namespace that lacks some facts. Its keys are in the order of their
// first facts that are left or, with stable, which is for copies that have a fact of each key, in
// the same order as before.
func (s *namespace) without(gone func(Record) bool, stable bool) *namespace {
	kept := newNamespace(s.name)
	kept.upcasts.Store(s.upcasts.Load())
	for n := range int(s.count.Load()) {
		r := s.nth(n)
		if gone(r) {
			continue
		}
		if f := r.Fact(); stable {
			kept.addAs(&f, r.key())
		} else {
			kept.add(&f)
		}
	}
	return kept
}
