package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// A Rule derives facts from the facts of a store: one from one, several from one (scatter), or one from several
// (gather). The process that writes a source runs the rule after that, and writes the derived facts as one
// batch; their Derivation names their sources. A derived fact triggers no rule.
type Rule struct {
	Name    string // of the rule, not empty
	Version int    // of the rule; 0: 1
	Source  string // the store whose facts trigger it

	// Derive returns the facts that follow from a source, which may be a retraction; there may be none.
	// It may read the engine, and must not write. It may be called concurrently, and again for the same
	// source: if another write changed a derived key meanwhile, the result is discarded. A panic is
	// reported like an error.
	Derive func(ctx context.Context, source Record) (Derived, error)
}

// Derived is what a Rule derives from a source.
type Derived struct {
	Facts []backend.Fact // the engine sets their IDs, the same for the same rule and source
	From  []string       // the IDs of their other sources
}

// A DerivationError is the error of a rule. The source is written all the same.
type DerivationError struct {
	Rule   string
	Source string // the ID of the source fact
	Err    error
}

func (e *DerivationError) Error() string {
	return fmt.Sprintf("store: rule %q failed for fact %s, which is written: %v; Derive runs it again", e.Rule, e.Source, e.Err)
}

// Unwrap returns Err.
func (e *DerivationError) Unwrap() error { return e.Err }

// AddRule makes the engine run a rule for facts that it writes from now on. Errors of rules are reported to
// Options.DerivationFailed and the logger; the write does not return them.
func (e *Engine) AddRule(r Rule) error {
	if r.Version == 0 {
		r.Version = 1
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case r.Name == "":
		return &backend.InvalidError{Field: "name", Reason: "a rule without a name"}
	case r.Source == "" || r.Derive == nil:
		return &backend.InvalidError{Field: "rule", Reason: fmt.Sprintf("%q has no source or derives nothing", r.Name)}
	case slices.ContainsFunc(e.allRules(), func(o Rule) bool { return o.Name == r.Name }):
		return &backend.InvalidError{Field: "name", Reason: fmt.Sprintf("there is a rule %q already", r.Name)}
	}
	all := append(slices.Clone(e.allRules()), r)
	e.rules.Store(&all)
	return nil
}

func (e *Engine) allRules() []Rule {
	if all := e.rules.Load(); all != nil {
		return *all
	}
	return nil
}

// Derive runs the rules for a fact as its writer does. It is for facts whose rules failed, or that are older
// than a rule; running a rule twice writes nothing new. It joins the errors of rules, each a
// *DerivationError.
func (e *Engine) Derive(ctx context.Context, source Record) error {
	if source.Derivation() != nil {
		return nil
	}
	var failed []error
	for _, rule := range e.allRules() {
		if rule.Source != source.Store() {
			continue
		}
		if err := e.derive(ctx, rule, source); err != nil {
			failed = append(failed, &DerivationError{rule.Name, source.ID(), err})
		}
	}
	return errors.Join(failed...)
}

// derived runs the rules for facts that were just written, and reports their errors.
func (e *Engine) derived(ctx context.Context, facts []backend.Fact) {
	all := e.allRules()
	if len(all) == 0 {
		return
	}
	for i := range facts {
		f := &facts[i]
		if f.Derivation != nil || !slices.ContainsFunc(all, func(r Rule) bool { return r.Source == f.Store }) {
			continue
		}
		source := e.fact(f.ID)
		if source.data == nil { // it is dropped or pruned already, or this process may not read it
			source = e.apart(f)
		}
		if err := e.Derive(ctx, source); err != nil {
			e.derivationFailed(source, err)
		}
	}
}

// underived reports that no rule was run for facts that are written but not shown.
func (e *Engine) underived(facts []backend.Fact, why error) {
	for _, rule := range e.allRules() {
		for i := range facts {
			if f := &facts[i]; f.Store == rule.Source && f.Derivation == nil {
				e.derivationFailed(e.apart(f), &DerivationError{rule.Name, f.ID, why})
			}
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

func (e *Engine) derivationFailed(source Record, err error) {
	e.opts.Logger.Error("a derivation failed", zap.Error(err), zap.String("store", source.Store()), zap.String("key", source.Key()))
	if e.opts.DerivationFailed != nil {
		e.opts.DerivationFailed(source, err)
	}
}

// derive runs one rule, again and again until no other write comes between it and its result.
func (e *Engine) derive(ctx context.Context, rule Rule, source Record) error {
	for {
		if e.alreadyDerived(rule, source) {
			return nil
		}
		head := e.Head()
		made, err := rule.run(ctx, source)
		if err != nil || len(made.Facts) == 0 {
			return err
		}
		sources := []string{source.ID()}
		for _, id := range made.From {
			if !slices.Contains(sources, id) {
				sources = append(sources, id)
			}
		}
		derivation, err := json.Marshal(derivation{rule.Name, rule.Version, sources})
		if err != nil {
			return err
		}
		b := backend.Batch{Facts: slices.Clone(made.Facts)}
		for i := range b.Facts {
			f := &b.Facts[i]
			f.ID, f.Derivation = derivedID(rule, source.ID(), i), derivation
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
		_, err = e.writeBatch(ctx, b)
		if errors.Is(err, backend.ErrIDReused) {
			return nil // the facts were derived before, and are not in memory any more
		}
		if !errors.Is(err, backend.ErrConflict) {
			return err
		}
	}
}

// run calls Derive. It returns a panic as an error, since the source is written.
func (r Rule) run(ctx context.Context, source Record) (made Derived, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return r.Derive(ctx, source)
}

func (e *Engine) alreadyDerived(rule Rule, source Record) bool {
	return e.fact(derivedID(rule, source.ID(), 0)).data != nil
}

// A derivation is the JSON of a derived fact's Derivation.
type derivation struct {
	Rule    string   `json:"rule"`
	Version int      `json:"version"`
	Sources []string `json:"sources"` // IDs, the one that triggered the rule first
}

// derivedID names the i-th fact that a rule makes of a source.
func derivedID(rule Rule, source string, i int) string {
	return uuid.NewHash(sha256.New(), uuid.Nil, fmt.Appendf(nil, "%q %d %q %d", rule.Name, rule.Version, source, i), 8).String()
}
