// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
)

const (
	// defaultRuleTime is how long a rule may go on after its caller's context has ended, if Options.WriteTimeout
	// does not say.
	defaultRuleTime = 10 * time.Second

	// moveAfter is how many sources a catch-up looks at before it writes that it need not look at them again.
	moveAfter = 1000

	// maxAwaited is how many sources are remembered whose writes ended before they were shown.
	maxAwaited = 10_000
)

// Rederive runs each rule for the sources for which it did not run: the writer's process died before, the rule failed,
// the log could not be reached for too long, or a process without the rule wrote the source. It goes through the
// sources in the order of the log and joins the errors of rules, each a *DerivationError. It derives nothing twice,
// even if several processes call it.
//
// If facts of a rule's targets were pruned, it is unknown whether the rule ran for older sources. Rederive skips them,
// and logs how many. [Engine.Compact] runs the rules before it prunes, so that this only happens if another process
// prunes.
func (e *Engine) Rederive(ctx context.Context) error {
	if e.opts.ReadOnly {
		return fmt.Errorf("store: rederive: %w", ErrReadOnly)
	}
	if err := e.refused(ctx); err != nil {
		return err
	}
	var failed []error
	for _, rule := range e.allRules() {
		e.catchUp(ctx, rule, false, func(_ Record, err error) { failed = append(failed, err) })
	}
	return errors.Join(failed...)
}

// catchUp runs a rule for the sources for which it did not run, and calls report with each *DerivationError. With move,
// or if there were many sources, it notes in the log through where the rule has run.
func (e *Engine) catchUp(ctx context.Context, rule Rule, move bool, report func(source Record, err error)) {
	state, err := e.ruleState(rule.Name)
	if err == nil {
		var seen int
		var through uint64
		if seen, through, err = e.catchUpAfter(ctx, rule, state, report); err == nil && (seen >= moveAfter || move && seen > 0) {
			err = e.moveRule(ctx, rule, through)
		}
	}
	if err != nil {
		report(Record{}, &DerivationError{Rule: rule.Name, Err: err})
	}
}

// moveRule notes in the log that a rule has run for all its sources through a seq.
func (e *Engine) moveRule(ctx context.Context, rule Rule, through uint64) error {
	return e.changeRule(ctx, rule.Name, func(s *ruleState) bool {
		if s.After >= through {
			return false
		}
		s.After = through
		return true
	})
}

// catchUpAfter runs a rule for its sources after state.After. It returns how many sources there are, and the seq
// through which the rule has run for all of them.
func (e *Engine) catchUpAfter(ctx context.Context, rule Rule, state ruleState, report func(Record, error)) (seen int, through uint64, err error) {
	through = e.Head()
	var done map[string]bool
	var unknown int   // sources of which it is unknown whether the rule ran for them
	var pruned uint64 // the seq before which facts of targets may be pruned
	var failed bool   // for a source
	for source, err := range e.Facts(ctx, rule.Source, state.After) {
		if errors.Is(err, backend.ErrCompacted) {
			continue // a pruned fact is not a source any more
		}
		if err != nil {
			return seen, through, err
		}
		if done == nil {
			if done, err = e.derivedAfter(ctx, rule, state); err != nil {
				return seen, through, err
			}
			if pruned, err = e.prunedBefore(ctx, state.Targets); err != nil {
				return seen, through, err
			}
		}
		seen++
		switch {
		case done[source.ID()] || e.isDerived(source):
			continue
		case source.Seq() < pruned:
			unknown++
			continue
		}
		err := e.caughtUp(ctx, rule, source)
		if err == nil {
			continue
		}
		if !failed {
			failed, through = true, min(through, source.Seq()-1)
		}
		report(source, &DerivationError{rule.Name, source.ID(), err})
		if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, backend.ErrUnavailable) || errors.Is(err, backend.ErrClosed) {
			break // the next source would wait, too
		}
	}
	if unknown > 0 {
		e.opts.Logger.Warn("facts that a rule may have derived were pruned, so that it is unknown whether it ran for older sources: it does not run for them; Derive does",
			zap.String("rule", rule.Name), zap.Int("sources", unknown), zap.Uint64("before", pruned))
	}
	return seen, through, nil
}

// caughtUp runs a rule for one source.
func (e *Engine) caughtUp(ctx context.Context, rule Rule, source Record) error {
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	nothing, err := e.derive(ctx, rule, source)
	if err == nil && nothing {
		err = e.deriveNothingOf(ctx, rule, source)
	}
	return err
}

// derivedAfter returns the IDs of the sources from which a rule derived facts, or nothing, since state.After.
func (e *Engine) derivedAfter(ctx context.Context, rule Rule, state ruleState) (map[string]bool, error) {
	done := make(map[string]bool)
	for _, store := range append([]string{RuleStore}, state.Targets...) {
		for r, err := range e.Facts(ctx, store, state.After) {
			if errors.Is(err, backend.ErrCompacted) {
				continue // see prunedBefore
			}
			if err != nil {
				return nil, err
			}
			if name, source := claim(r); name == rule.Name {
				done[strings.Clone(source)] = true
			}
		}
	}
	return done, nil
}

// prunedBefore returns the greatest seq before which facts of some stores may be pruned; 0: none are.
func (e *Engine) prunedBefore(ctx context.Context, stores []string) (seq uint64, err error) {
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	stats, err := e.log.Stats(ctx)
	for _, store := range stores {
		seq = max(seq, stats.Horizon(store).Seq)
	}
	return seq, err
}

// bounded returns ctx with the time limit of a rule.
func (e *Engine) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, e.ruleTime())
}

func (e *Engine) ruleTime() time.Duration {
	if e.opts.WriteTimeout > 0 {
		return e.opts.WriteTimeout
	}
	return defaultRuleTime
}

// patient returns a context with the values of ctx. It ends with the engine, or once the time limit of a rule has
// passed after the end of ctx.
func (e *Engine) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(e.ruleTime(), cancel)
		context.AfterFunc(longer, func() { timer.Stop() })
	})
	closed := context.AfterFunc(e.life, cancel)
	return longer, func() {
		ended()
		closed()
		cancel()
	}
}

// await makes the rules run for the facts of a write that ended before the engine showed them, once it shows them.
// before is the head when the write began.
func (e *Engine) await(facts []backend.Fact, before uint64) {
	if !slices.ContainsFunc(facts, func(f backend.Fact) bool { return e.triggers(f.Store) }) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range facts {
		f := &facts[i]
		if f.ID == "" || !e.triggers(f.Store) || len(e.awaited) >= maxAwaited {
			continue
		}
		if e.awaited == nil {
			e.awaited = make(map[Source]bool)
		}
		e.awaited[Source{f.Store, f.ID}] = true
		for r := range e.view(f.Store).facts(before) {
			if r.hasID(f.ID) { // it was shown meanwhile
				shown := r.Fact()
				e.arrived(&shown)
			}
		}
	}
}

// arrived runs the rules for f if it was awaited. The caller holds mu.
func (e *Engine) arrived(f *backend.Fact) {
	name := Source{f.Store, f.ID}
	if !e.awaited[name] || e.failed != nil {
		return
	}
	delete(e.awaited, name)
	source := f.Clone()
	e.background.Go(func() {
		if e.WaitFor(e.life, source.Seq) == nil {
			e.derived(e.life, backend.Written{Facts: []backend.Fact{source}})
		}
	})
}

// maybeWritten reports whether facts whose write failed with err may be in the log, now or later.
func maybeWritten(err error) bool {
	for _, refused := range []error{
		backend.ErrConflict, backend.ErrIDReused, backend.ErrInvalid, backend.ErrTooLarge, backend.ErrFull,
		backend.ErrUnauthenticated, backend.ErrForbidden, errors.ErrUnsupported,
	} {
		if errors.Is(err, refused) {
			return false
		}
	}
	return true
}
