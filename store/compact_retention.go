package store

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// A Retention says which facts of a store are kept. The zero Retention keeps all of them.
type Retention struct {
	// Versions is how many facts of each key are kept, the latest ones; 1: the latest only; 0: all.
	Versions int `json:"versions,omitempty"`

	// Window is how far back in time the store can be read: facts that had a successor in their key before
	// that time are dropped. 0: without limit.
	Window time.Duration `json:"window,omitempty"`

	// Events says that the store is a history: facts older than Window are dropped even if they have no
	// successor.
	Events bool `json:"events,omitempty"`
}

// Retain sets what [Engine.Compact] keeps of a store. Setting the same again is harmless; something else is a
// *backend.InvalidError, unless the zero Retention was set in between. A store that is not in memory is ErrNotLoaded.
func (e *Engine) Retain(store string, r Retention) error {
	if err := backend.CheckStore(store); err != nil {
		return err
	}
	if e.reentered() {
		return errReentered
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
	case store == RuleStore:
		return &backend.InvalidError{Field: "store", Reason: "the state of rules is kept"}
	case !e.Loaded(store):
		return fmt.Errorf("store: retain of store %q: %w", store, ErrNotLoaded)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.retentions == nil {
		e.retentions = make(map[string]Retention)
	}
	if old := e.retentions[store]; old != (Retention{}) && r != (Retention{}) && old != r {
		return &backend.InvalidError{Field: "store", Reason: fmt.Sprintf("%q has another retention already: %+v", store, old)}
	}
	e.retentions[store] = r
	return nil
}

// PlanCompaction returns what [Engine.Compact] would prune now, by store. With Options.KeepVersions, where
// Compact is not supported, it returns nothing.
func (e *Engine) PlanCompaction() []Compaction {
	if e.opts.KeepVersions > 0 {
		return nil
	}
	e.lock()
	rules := maps.Clone(e.retentions)
	e.mu.Unlock()
	now := e.opts.Now()
	var plan []Compaction
	for _, store := range slices.Sorted(maps.Keys(rules)) {
		if v := e.view(store); v.namespace != nil {
			plan = append(plan, v.plan(rules[store], now)...)
		}
	}
	return plan
}

// plan returns what a retention does not keep of the view.
func (v view) plan(rule Retention, now time.Time) []Compaction {
	c := Compaction{Store: v.name, Rule: rule}
	if rule.Window > 0 {
		c.Before = now.Add(-rule.Window).UTC()
	}
	var seqs []uint64
	for n := range v.keys.count.Load() {
		r := v.at(n)
		kept, replaced := 0, time.Time{} // replaced: when the successor came
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
	var all []Compaction
	for ranges := range slices.Chunk(seqrange.Collect(slices.Values(seqs)), maxRanges) {
		c.Seqs, c.Facts = ranges, int(ranges.Len())
		all = append(all, c)
	}
	return all
}
