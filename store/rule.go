// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

// A Rule derives facts from the facts of a store: one from one, several from one (scatter), or one from several
// (gather). Each fact of the store that any process writes after the rule was first declared gets its derived facts
// once. Facts that rules derived trigger no rule.
//
// The engine that writes a source runs the rule before the write returns. The rule goes on if the caller's context
// ends, see [Options.WriteTimeout]. The derived facts are written as one batch; their Derivation names the rule and
// their sources. If a rule derives nothing, the log keeps a note of that in [RuleStore].
//
// The log thus shows for which sources a rule did not run: its process died, the rule failed, or a process without the
// rule wrote the source. [Engine.AddRule] and [Engine.Rederive] run the rule for these sources.
type Rule struct {
	Name    string // names the rule in the log: a source is derived from once under a name
	Version int    // of the rule, for the Derivation only; 0: 1
	Source  string // the store whose facts trigger it

	// Derive returns the facts that follow from a source, if any. The source may be a retraction. Derive may read the
	// engine; writes, Compact and Rederive with its ctx fail. It may be called concurrently, for sources in any order,
	// and again for the same source: if another write changed a derived key meanwhile, the result is discarded. The
	// source may not be the latest fact of its key, so a rule that needs the current value must read it. A panic is
	// reported like an error.
	Derive func(ctx context.Context, source Record) (Derived, error)
}

// Derived is what a Rule derives from a source.
type Derived struct {
	Facts []backend.Fact // without IDs and derivations, which the engine sets
	From  []Source       // their other sources
}

// A DerivationError is the error of a rule. The source is written all the same.
type DerivationError struct {
	Rule   string
	Source string // the ID of the source fact; "": the rule could not look for the sources for which it did not run
	Err    error
}

func (e *DerivationError) Error() string {
	if e.Source == "" {
		return fmt.Sprintf("store: rule %q can't catch up with the facts that were written without it: %v; Rederive tries again", e.Rule, e.Err)
	}
	return fmt.Sprintf("store: rule %q failed for fact %s, which is written: %v; Rederive runs it again", e.Rule, e.Source, e.Err)
}

// Unwrap returns Err.
func (e *DerivationError) Unwrap() error { return e.Err }

// AddRule declares a rule. From then on, the engine runs the rule for each fact that it writes to the rule's source.
// Before AddRule returns, it also runs the rule for sources for which the rule did not run, see [Engine.Rederive]. A
// rule whose name is new to the log begins after the facts that the engine shows. A name that is taken is ErrInvalid.
//
// The rule's state is in [RuleStore], which the process must be allowed to read and write; the backend must write
// batches. An engine that is read-only runs no rules. Errors of rules go to Options.DerivationFailed and the
// Logger, or, if both are nil, to standard error; writes and AddRule do not return them.
func (e *Engine) AddRule(r Rule) error {
	if r.Version == 0 {
		r.Version = 1
	}
	switch {
	case r.Name == "":
		return &backend.InvalidError{Field: "name", Reason: "a rule without a name"}
	case r.Source == "" || r.Derive == nil:
		return &backend.InvalidError{Field: "rule", Reason: fmt.Sprintf("%q has no source or derives nothing", r.Name)}
	case r.Source == RuleStore:
		return &backend.InvalidError{Field: "source", Reason: fmt.Sprintf("%q is where rules keep their state", RuleStore)}
	}
	if e.reentered() {
		return errReentered
	}
	declared, err := e.declareRule(r)
	if declared {
		e.catchUp(e.life, r, false, e.derivationFailed)
	}
	return err
}

// declareRule makes r a rule of the engine, unless that is read-only.
func (e *Engine) declareRule(r Rule) (declared bool, err error) {
	if err := e.declaring.Lock(e.life); err != nil {
		return false, fmt.Errorf("store: rule %q: %w", r.Name, backend.ErrClosed)
	}
	defer e.declaring.Unlock()
	if slices.ContainsFunc(e.allRules(), func(o Rule) bool { return o.Name == r.Name }) {
		return false, &backend.InvalidError{Field: "name", Reason: fmt.Sprintf("there is a rule %q already", r.Name)}
	}
	if e.opts.ReadOnly {
		return false, nil
	}
	if err := e.beginRule(r); err != nil {
		if e.life.Err() != nil {
			err = backend.ErrClosed
		}
		return false, fmt.Errorf("store: rule %q: %w", r.Name, err)
	}
	all := append(slices.Clone(e.allRules()), r)
	e.rules.Store(&all)
	return true, nil
}

func (e *Engine) allRules() []Rule {
	if all := e.rules.Load(); all != nil {
		return *all
	}
	return nil
}

// triggers reports whether a rule has a store as its source.
func (e *Engine) triggers(store string) bool {
	return slices.ContainsFunc(e.allRules(), func(r Rule) bool { return r.Source == store })
}

// run runs a rule with a context that marks calls as the rule's.
func (e *Engine) run(ctx context.Context, r Rule, source Record) (made Derived, err error) {
	ctx = context.WithValue(ctx, ruleOf{e}, true)
	n := e.running.Add(1)
	defer e.running.Add(-1)
	if n > maxUnguarded {
		e.guarded(func() { made, err = r.run(ctx, source) })
		return made, err
	}
	return r.run(ctx, source)
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

// derivationFailed reports errors of rules. It does not report that the engine was closed: the next engine catches up.
func (e *Engine) derivationFailed(source Record, err error) {
	if e.life.Err() != nil && (errors.Is(err, backend.ErrClosed) || errors.Is(err, context.Canceled)) {
		return
	}
	if e.opts.DerivationFailed != nil {
		e.opts.DerivationFailed(source, err)
	}
	if e.opts.DerivationFailed == nil || e.opts.Logger != standardError {
		what := []zap.Field{zap.Error(err)}
		if source.data != nil {
			what = append(what, zap.String("store", source.Store()), zap.String("key", source.Key()))
		}
		e.opts.Logger.Error("a derivation failed", what...)
	}
}

// Derive runs the rules for a fact as its writer does, even if the fact is older than the rules. Running a rule twice
// writes nothing new. Derive joins the errors of rules, each a *DerivationError.
func (e *Engine) Derive(ctx context.Context, source Record) error {
	if err := e.refused(ctx); err != nil {
		return err
	}
	return e.deriveAll(ctx, source, false)
}

// deriveAll runs the rules for a source. No rule has run for it if it is new.
func (e *Engine) deriveAll(ctx context.Context, source Record, isNew bool) error {
	if e.isDerived(source) {
		return nil
	}
	var failed []error
	var none []Rule // the rules that derive nothing
	for _, rule := range e.allRules() {
		if rule.Source != source.Store() || !isNew && e.derivedBefore(rule, source) {
			continue
		}
		switch nothing, err := e.derive(ctx, rule, source); {
		case err != nil:
			failed = append(failed, &DerivationError{rule.Name, source.ID(), err})
		case nothing:
			none = append(none, rule)
		}
	}
	return errors.Join(append(failed, e.deriveNothing(ctx, none, source)...)...)
}
