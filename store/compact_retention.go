// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// A Retention says which facts of a store are kept. The zero Retention keeps all facts. Without Events, every Retention
// also keeps a fact that is its key's value by valid time, now or from a later time on, even if newer facts were
// written. With a Window and no Versions, it also keeps a fact that was its key's value by valid time within the
// window, as it was known then.
type Retention struct {
	// Versions is how many facts of each key are kept, the latest ones; 1: the latest only; 0: all.
	Versions int `json:"versions,omitempty"`

	// Window is how far back in time the store can be read: facts that had a successor in their key before that time
	// are dropped. 0: without limit. Ages count from the latest transaction time in the log, or from Options.Now if
	// that is earlier, so that a wrong clock does not drop new facts.
	Window time.Duration `json:"window,omitempty"`

	// Events says that the store is a history of events: facts older than Window are dropped even if they have no
	// successor. Reads as of a moment within the window show the facts that are left.
	Events bool `json:"events,omitempty"`

	// Forget says that the last retraction of a key is dropped, too, once it is the only fact of the key that would be
	// kept. The key is then as if it had never been written. With a Window, the retraction must be older than the
	// window on both axes.
	Forget bool `json:"forget,omitempty"`
}

// Retain sets what [Engine.Compact] keeps of a store. Retain may be called again with the same Retention. Another
// Retention is a *backend.InvalidError, unless the zero Retention was set in between. A store that is not in memory is
// ErrNotLoaded.
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
	rules, now := maps.Clone(e.retentions), e.newest
	e.mu.Unlock()
	if clock := e.opts.Now(); clock.Before(now) {
		now = clock
	}
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
	p := planned{Compaction: Compaction{Store: v.name, Rule: rule}, now: now}
	if rule.Window > 0 {
		p.Before = now.Add(-rule.Window).UTC()
	}
	for n := range v.keys.count.Load() {
		latest, flags := v.last(n)
		p.key(latest.through(v.head), flags)
	}
	var all []Compaction
	for ranges := range slices.Chunk(seqrange.Collect(slices.Values(p.seqs)), maxRanges) {
		c := p.Compaction
		c.Seqs, c.Facts = ranges, int(ranges.Len())
		all = append(all, c)
	}
	return all
}

// A planned is a compaction that is being planned.
type planned struct {
	Compaction
	now  time.Time
	seqs []uint64 // of the facts to prune
}

// key adds the facts of a key that are not kept. latest is the key's latest fact, and flags are the key's flags.
func (p *planned) key(latest Record, flags tip) {
	rule, kept, last := p.Rule, 0, Record{} // last: the one kept last
	valid := latest.validOrder(flags)
	for r, next := latest, (Record{}); r.data != nil; r, next = r.prev(), r {
		old := rule.Window > 0 && (next.data != nil && next.TransactionTime().Before(p.Before) || rule.Events && r.TransactionTime().Before(p.Before))
		event := old && rule.Events
		until, ok := r.validUntil(next, valid)
		value := !ok || until.validTime().After(p.now)
		if old && rule.Versions == 0 { // as it was known at some time within the window
			value = !ok || until.validTime().After(p.Before) || !until.TransactionTime().Before(p.Before)
		}
		switch {
		case !old && (rule.Versions == 0 || kept < rule.Versions), !event && value:
			kept, last = kept+1, r
			continue
		case event:
			p.drop(r, r, r)
		}
		p.drop(r, next, until)
	}
	aged := !latest.validTime().After(p.now)
	if rule.Window > 0 {
		aged = latest.TransactionTime().Before(p.Before) && !latest.validTime().After(p.Before)
	}
	if rule.Forget && kept == 1 && last.Seq() == latest.Seq() && latest.Retracted() && aged {
		p.drop(latest, latest, latest)
	}
}

// drop adds r to the facts to prune. next, if any, is the fact that replaced r as the key's latest fact. until, if any,
// is the fact from whose valid time on r is no longer the key's value.
func (p *planned) drop(r, next, until Record) {
	if n := len(p.seqs); n == 0 || p.seqs[n-1] != r.Seq() {
		p.seqs = append(p.seqs, r.Seq())
	}
	for _, successor := range []Record{r, next, until} { // r may have a later time than its successors
		if successor.data != nil {
			p.Horizon = p.Horizon.Later(backend.Horizon{Seq: successor.Seq(), Time: successor.TransactionTime().UTC()})
		}
	}
	if until.data != nil && !until.validTime().After(p.now) {
		p.Horizon = p.Horizon.Later(backend.Horizon{Time: until.validTime().UTC()})
	}
}

// validOrder returns the facts of a key, whose latest one is r, in the order of their valid times; nil if that is the order
// of the log.
func (r Record) validOrder(flags tip) []Record {
	if flags == 0 {
		return nil
	}
	var all []Record
	for ; r.data != nil; r = r.prev() {
		all = append(all, r)
	}
	slices.SortFunc(all, compareValid)
	return all
}

func compareValid(a, b Record) int {
	return cmp.Or(a.validTime().Compare(b.validTime()), cmp.Compare(a.Seq(), b.Seq()))
}

// validUntil returns the fact that follows r in the order of valid times; next is the one that follows it in the log.
// ok is false if no fact follows: r stays the key's value by valid time.
func (r Record) validUntil(next Record, valid []Record) (until Record, ok bool) {
	if valid == nil {
		return next, next.data != nil
	}
	i, _ := slices.BinarySearchFunc(valid, r, compareValid)
	if i+1 == len(valid) {
		return Record{}, false
	}
	return valid[i+1], true
}
