// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/igniter-store/igniter/backend"
)

// A derivation is the JSON of a derived fact's Derivation.
type derivation struct {
	Rule    string   `json:"rule"`
	Version int      `json:"version"`
	Sources []string `json:"sources"`          // IDs, the one that triggered the rule first
	Stores  []string `json:"stores,omitempty"` // the store of each source; not given by earlier releases
}

func (d *derivation) add(s Source) {
	d.Sources, d.Stores = append(d.Sources, s.ID), append(d.Stores, s.Store)
}

func (d *derivation) sources() []Source {
	all := make([]Source, len(d.Sources))
	for i, id := range d.Sources {
		if all[i].ID = id; i < len(d.Stores) {
			all[i].Store = d.Stores[i]
		}
	}
	return all
}

// derivedID returns the ID of the i-th fact that a rule derives from a source, so that all processes that run the rule
// write the same fact. Everyone can compute it: if another fact has taken the ID of the first attempt, the rule uses
// the next attempt.
func derivedID(rule, source string, attempt, i int) string {
	return uuid.NewHash(sha256.New(), uuid.Nil, fmt.Appendf(nil, "%q %q %d %d", rule, source, attempt, i), 8).String()
}

// derive runs one rule, again after each conflicting write, until its result is written. nothing is true if the rule
// derives nothing and the log has no note of that yet.
//
// If two processes derive from one source, the log refuses one of them: the first derived fact of both has the same ID,
// in the rule's target. IDs are unique in one store only. So a rule with several targets adds to each batch a note with
// the same ID in RuleStore, which names the stores of the batch: two batches that go to different stores then conflict
// by their notes. The rule's state names a second target before anything is written to it; from then on, batches
// without a note conflict with the state.
func (e *Engine) derive(ctx context.Context, rule Rule, source Record) (nothing bool, err error) {
	for attempt := 0; ; {
		state, err := e.ruleState(rule.Name)
		if err != nil {
			return false, err
		}
		head := e.Head()
		made, err := e.run(ctx, rule, source)
		if err != nil || len(made.Facts) == 0 {
			return err == nil, err
		}
		b, err := e.derivedBatch(rule, source, made, attempt, head)
		if err != nil {
			return false, err
		}
		grown := state.with(b.Facts)
		f, expect := grown.fact(rule.Name)
		b.Expect = append(b.Expect, expect)
		if len(grown.Targets) > len(state.Targets) {
			if len(state.Targets) > 0 {
				b = backend.Batch{Facts: []backend.Fact{f}, Expect: []backend.Expect{expect}}
				if err := e.writeBatch(ctx, b); err != nil && !errors.Is(err, backend.ErrConflict) {
					return false, err
				}
				if done, err := e.derivedElsewhere(ctx, rule, source, grown.Targets); done || err != nil {
					return false, err
				}
				continue
			}
			b.Facts = append(b.Facts, f)
			state = grown
		}
		if len(grown.Targets) > 1 {
			note := noteOf(rule, source, 0)
			note.Key, note.Value = "derived:"+rule.Name, storesOf(b.Facts)
			b.Facts = append(b.Facts, note)
		}
		err = e.writeBatch(ctx, b)
		if errors.Is(err, backend.ErrIDReused) {
			var done bool
			if done, err = e.derivedElsewhere(ctx, rule, source, state.Targets); done || err != nil {
				return false, err
			}
			attempt++
			continue
		}
		if !errors.Is(err, backend.ErrConflict) {
			return false, err
		}
	}
}

// derivedBatch returns the batch of what a rule made. It is written if no one has written to its keys after head.
func (e *Engine) derivedBatch(rule Rule, source Record, made Derived, attempt int, head uint64) (backend.Batch, error) {
	d := derivation{Rule: rule.Name, Version: rule.Version}
	d.add(Source{source.Store(), source.ID()})
	for _, s := range made.From {
		if s.Store == "" || s.ID == "" {
			return backend.Batch{}, &backend.InvalidError{Field: "from", Reason: fmt.Sprintf("a source with store %q and ID %q: name both", s.Store, s.ID)}
		}
		if !slices.Contains(d.sources(), s) {
			d.add(s)
		}
	}
	origin, err := json.Marshal(d)
	b := backend.Batch{Facts: slices.Clone(made.Facts)}
	for i := range b.Facts {
		f := &b.Facts[i]
		if f.Store == RuleStore {
			return b, &backend.InvalidError{Field: "store", Reason: fmt.Sprintf("a rule can't derive facts of %q", RuleStore)}
		}
		if err := e.mayRead(f.Store); err != nil { // it would never know the latest facts of its keys
			return b, fmt.Errorf("derive facts: %w", err)
		}
		if f.ID != "" || f.Derivation != nil {
			return b, &backend.InvalidError{Field: "derived", Reason: fmt.Sprintf("the fact of key %q in store %q has an ID or a derivation, which are the engine's to set", f.Key, f.Store)}
		}
		f.ID, f.Derivation = derivedID(rule.Name, source.ID(), attempt, i), origin
		if f.Producer == nil {
			f.Producer = source.Producer()
		}
		if f.Key == "" {
			f.Key = f.ID // an event
		}
		if slices.ContainsFunc(b.Expect, func(x backend.Expect) bool { return x.Store == f.Store && x.Key == f.Key }) {
			continue
		}
		latest := e.Latest(f.Store, f.Key).through(head)
		b.Expect = append(b.Expect, backend.Expect{Store: f.Store, Key: f.Key, ID: latest.ID()})
	}
	return b, err
}

// deriveNothing notes that rules derive nothing from a source. It writes one note for each rule, with the ID that the
// first derived fact would have, so that the log accepts the result of only one process.
func (e *Engine) deriveNothing(ctx context.Context, rules []Rule, source Record) (failed []error) {
	var b backend.Batch
	for _, rule := range rules {
		b.Facts = append(b.Facts, noteOf(rule, source, 0))
	}
	if len(rules) == 0 {
		return nil
	}
	err := e.writeBatch(ctx, b)
	if !errors.Is(err, backend.ErrIDReused) {
		for _, rule := range rules {
			if err != nil {
				failed = append(failed, &DerivationError{rule.Name, source.ID(), err})
			}
		}
		return failed
	}
	for _, rule := range rules {
		if err := e.deriveNothingOf(ctx, rule, source); err != nil {
			failed = append(failed, &DerivationError{rule.Name, source.ID(), err})
		}
	}
	return failed
}

func (e *Engine) deriveNothingOf(ctx context.Context, rule Rule, source Record) error {
	for attempt := 0; ; attempt++ {
		err := e.writeBatch(ctx, backend.Batch{Facts: []backend.Fact{noteOf(rule, source, attempt)}})
		if !errors.Is(err, backend.ErrIDReused) {
			return err
		}
		state, err := e.ruleState(rule.Name)
		if err != nil {
			return err
		}
		if done, err := e.derivedElsewhere(ctx, rule, source, state.Targets); done || err != nil {
			return err
		}
	}
}

// storesOf returns the stores of facts, in their order, as JSON.
func storesOf(facts []backend.Fact) json.RawMessage {
	var stores []string
	for i := range facts {
		stores = append(stores, facts[i].Store)
	}
	text, _ := json.Marshal(stores) // valid UTF-8, or the log refuses the facts
	return text
}

// noteOf returns the note that a rule has run for a source, and derived nothing.
func noteOf(rule Rule, source Record, attempt int) backend.Fact {
	d := derivation{Rule: rule.Name, Version: rule.Version}
	d.add(Source{source.Store(), source.ID()})
	origin, _ := json.Marshal(d)
	return backend.Fact{
		ID: derivedID(rule.Name, source.ID(), attempt, 0), Store: RuleStore, Key: "nothing:" + rule.Name,
		Value: []byte(`{}`), Derivation: origin,
	}
}

// derived runs the rules for facts that were just written, and reports their errors. Once ctx has ended, the rules have
// a limited time.
func (e *Engine) derived(ctx context.Context, w backend.Written) {
	if !slices.ContainsFunc(w.Facts, func(f backend.Fact) bool { return e.triggers(f.Store) }) {
		return
	}
	ctx, cancel := e.patient(ctx)
	defer cancel()
	for i := range w.Facts {
		f := &w.Facts[i]
		if !e.triggers(f.Store) {
			continue
		}
		source := e.view(f.Store).latest(f.Key).through(f.Seq)
		if source.Seq() != f.Seq { // the fact is already dropped or pruned, or this process may not read it
			source = e.apart(f)
		}
		if err := e.deriveAll(ctx, source, w.First != 0 && f.Seq >= w.First); err != nil {
			e.derivationFailed(source, err)
		}
	}
}

// apart returns f as a record outside the engine's memory.
func (e *Engine) apart(f *backend.Fact) Record {
	s := newNamespace(f.Store)
	if held := e.namespace(f.Store); held != nil {
		s.upcasts.Store(held.upcasts.Load())
	}
	s.add(f)
	return s.nth(0)
}
