// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Derived is what a rule makes of a source.
type Derived struct {
	Changes []Change // what to write; the Store sets conditions, IDs and derivations, and refuses those of a Change
	From    []Source // other facts that it was derived from
}

// A Source names a fact that others were derived from.
//
//	Store, ID string
type Source = store.Source

// A DerivationError is a rule that failed for a fact. The fact is written all the same, and Rederive runs the
// rule again.
type DerivationError = store.DerivationError

// Derive declares a rule that makes changes, to this store or others, of each fact of this one, deletions too,
// that is written after the log first knew the rule's name. The Store that wrote the fact runs it before the
// write returns, also if ctx ends meanwhile (see Options.WriteTimeout), and writes the changes as one batch,
// whose facts name the rule, its version and the sources. Facts that rules derived trigger no rule.
//
// The log tells for which facts the rule did not run: because a process died, the rule failed, or a process
// without the rule wrote them. Before it returns, Derive runs it for these; [Store.Rederive] does that later. Each
// fact is derived from once under a name, in whatever processes the rule is declared. A name that is taken in
// this Store is a *backend.InvalidError. The rule's state is in the store "igniter.rules", which the
// process must be allowed to read and write; the backend must be able to write batches.
//
// A rule that fails is reported to Options.DerivationFailed and the Logger, or to standard error if both are
// nil, and not by the write. If another write changes a key first, the rule is called again, so it may be
// called several times, for facts in any order: a rule that copies what is current reads it, since the source
// may be older. It may read the Store. Writes, Compact and Rederive fail with its ctx.
func (s *source[T]) Derive(name string, version int, rule func(ctx context.Context, source Record[T]) (Derived, error)) error {
	r := store.Rule{Name: name, Version: version, Source: s.name}
	if rule != nil { // the engine reports nil
		r.Derive = func(ctx context.Context, found store.Record) (store.Derived, error) {
			source, err := s.decode(found)
			if err != nil {
				return store.Derived{}, err
			}
			made, err := rule(ctx, source)
			if err != nil {
				return store.Derived{}, err
			}
			return s.store.derived(ctx, made)
		}
	}
	if err := s.store.engine.AddRule(r); err != nil {
		return fmt.Errorf("companion: rule %q of store %q: %w", name, s.name, err)
	}
	return nil
}

// Rederive runs each rule that was declared for the facts for which it did not run, such as those written by
// processes without the rule, and joins the errors of rules, each a *DerivationError. Calling it again derives
// nothing twice. See [store.Engine.Rederive].
func (s *Store) Rederive(ctx context.Context) error {
	if err := s.engine.Rederive(ctx); err != nil {
		return fmt.Errorf("companion: rederive: %w", err)
	}
	return nil
}

// derived returns the facts to write.
func (s *Store) derived(ctx context.Context, made Derived) (store.Derived, error) {
	d := store.Derived{From: made.From}
	for _, c := range made.Changes {
		f, err := s.complete(ctx, c)
		if err == nil && (c.check || c.absent || c.expect != nil) {
			err = &backend.InvalidError{Field: "change", Reason: fmt.Sprintf("key %q in store %q has a condition: the Store sets the conditions of a rule; let it read the key, and return no change", f.Key, f.Store)}
		}
		if err != nil {
			return store.Derived{}, err
		}
		if c.event && !c.named {
			f.ID, f.Key = "", "" // the engine gives it the ID that it gives the fact
		}
		d.Facts = append(d.Facts, f)
	}
	return d, nil
}
