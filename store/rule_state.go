// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// RuleStore is the store in which rules keep their state. The key "rule:NAME" has the state of the rule NAME. The key
// "nothing:NAME" has the sources from which the rule derived nothing. For a rule with several targets, the key
// "derived:NAME" has the stores of each batch that it derived. A process that may write to RuleStore can keep rules
// from running.
const RuleStore = "igniter.rules"

// A ruleState is the value of a rule's state in RuleStore.
type ruleState struct {
	Source  string   `json:"source"`
	After   uint64   `json:"after"`             // the rule has run for all its sources through this seq, or is newer
	Targets []string `json:"targets,omitempty"` // the stores that it derived facts of

	id string // of the fact; "": the log has none
}

// ruleState returns the state of a rule as the engine shows it.
func (e *Engine) ruleState(name string) (state ruleState, err error) {
	if err := e.mayRead(RuleStore); err != nil {
		return state, fmt.Errorf("read the state of rule %q: %w", name, err)
	}
	r := e.Latest(RuleStore, "rule:"+name)
	if r.data == nil {
		return state, nil
	}
	if err := json.Unmarshal(r.Value(), &state); err != nil {
		return state, fmt.Errorf("read the state of rule %q: fact %s of store %q: %w", name, r.ID(), RuleStore, err)
	}
	state.id, state.After = r.ID(), min(state.After, r.Seq())
	return state, nil
}

// with returns the state with the stores of facts among its targets.
func (s ruleState) with(facts []backend.Fact) ruleState {
	s.Targets = slices.Clone(s.Targets)
	for i := range facts {
		if !slices.Contains(s.Targets, facts[i].Store) {
			s.Targets = append(s.Targets, facts[i].Store)
		}
	}
	return s
}

// fact returns the fact that holds the state, and the condition that no other process has changed the state.
func (s ruleState) fact(name string) (backend.Fact, backend.Expect) {
	value, _ := json.Marshal(s)
	key := "rule:" + name
	return backend.Fact{Store: RuleStore, Key: key, Value: value}, backend.Expect{Store: RuleStore, Key: key, ID: s.id}
}

// changeRule changes the state of a rule in the log. If change returns false, nothing is written.
func (e *Engine) changeRule(ctx context.Context, name string, change func(*ruleState) bool) error {
	for {
		state, err := e.ruleState(name)
		if err != nil || !change(&state) {
			return err
		}
		f, expect := state.fact(name)
		err = e.writeBatch(ctx, backend.Batch{Facts: []backend.Fact{f}, Expect: []backend.Expect{expect}})
		if !errors.Is(err, backend.ErrConflict) {
			return err
		}
	}
}

// beginRule writes the first state of the rule to the log, if the log has none.
func (e *Engine) beginRule(r Rule) error {
	ctx, cancel := e.bounded(e.life)
	defer cancel()
	if err := e.Load(ctx, RuleStore); err != nil {
		return err
	}
	return e.changeRule(ctx, r.Name, func(s *ruleState) bool {
		if s.id != "" && s.Source == r.Source {
			return false
		}
		s.Source, s.After = r.Source, e.Head()
		return true
	})
}

// claim returns the rule and the first source that a fact's Derivation names.
func claim(r Record) (rule, source string) {
	var d derivation
	if text := r.Derivation(); text == nil || json.Unmarshal(text, &d) != nil || len(d.Sources) == 0 {
		return "", ""
	}
	return d.Rule, d.Sources[0]
}

// isDerived reports whether a rule derived r. The Derivation of r is not enough, since any writer may set it: the
// rule's state must have r's store among its targets.
func (e *Engine) isDerived(r Record) bool {
	rule, _ := claim(r)
	if rule == "" {
		return false
	}
	state, err := e.ruleState(rule)
	return err == nil && slices.Contains(state.Targets, r.Store())
}

// madeBy reports whether a rule with these targets derived r from source. A fact of another store, or one before the
// source, only claims that.
func madeBy(r Record, rule Rule, source Record, targets []string) bool {
	name, from := claim(r)
	return name == rule.Name && from == source.ID() && r.Seq() > source.Seq() && (r.Store() == RuleStore || slices.Contains(targets, r.Store()))
}

// derivedBefore reports whether the engine holds facts that a rule derived from a source.
func (e *Engine) derivedBefore(rule Rule, source Record) bool {
	state, err := e.ruleState(rule.Name)
	if err != nil {
		return false // derive reports it
	}
	for attempt := 0; ; attempt++ {
		taken := false
		for r := range e.factsWith(derivedID(rule.Name, source.ID(), attempt, 0)) {
			if madeBy(r, rule, source, state.Targets) {
				return true
			}
			taken = true
		}
		if !taken {
			return false
		}
	}
}

// derivedElsewhere reports whether another process wrote what a rule derives from a source. It is called after the log
// refused to take that twice.
func (e *Engine) derivedElsewhere(ctx context.Context, rule Rule, source Record, targets []string) (bool, error) {
	if err := e.Sync(ctx); err != nil {
		return false, err
	}
	for _, store := range append([]string{RuleStore}, targets...) {
		for r, err := range e.Facts(ctx, store, source.Seq()) {
			if errors.Is(err, backend.ErrCompacted) {
				continue // what the log refused to take twice is left
			}
			if err != nil {
				return false, err
			}
			if madeBy(r, rule, source, targets) {
				return true, nil
			}
		}
	}
	return false, nil
}
