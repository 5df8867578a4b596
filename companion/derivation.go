// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Derived is what a rule derives from a source.
type Derived struct {
	Changes []Change // what to write; a Change must have no condition, ID or derivation: the Store sets them
	From    []Source // other facts from which the changes were derived
}

// A Source names a fact from which other facts were derived.
//
//	Store, ID string
type Source = store.Source

// A DerivationError says that a rule failed for a fact. The fact is written all the same, and Rederive runs the rule
// again.
type DerivationError = store.DerivationError

// Derive declares a rule. The rule runs for each fact of this store, deletions too, that is written after the log first
// knew the rule's name, and returns changes to this store or others. The Store that writes the fact runs the rule
// before the write returns, even if ctx ends meanwhile (see Options.WriteTimeout). It writes the changes as one batch,
// whose facts name the rule, its version and the sources. Facts that rules derived trigger no rule.
//
// The log shows for which facts the rule did not run, because a process died, the rule failed, or a process without the
// rule wrote them. Derive runs the rule for these facts before it returns; [Store.Rederive] does so later. The changes
// for a fact are written once, even if several processes declare the rule. A name that is taken in this Store is a
// *backend.InvalidError. The rule's state is in the store "igniter.rules", which the process must be allowed to read
// and write; the backend must be able to write batches.
//
// The failure of a rule is reported to Options.DerivationFailed and the Logger, or to standard error if both are nil;
// the write does not return it. The rule may be called for facts in any order, and again for the same fact if another
// write changed a derived key first. The source may not be the latest fact of its key: a rule that needs the current
// value must read it. The rule may read the Store; writes, Compact and Rederive with its ctx fail.
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

// Rederive runs each declared rule for the facts for which it did not run, such as facts written by processes without
// the rule. It joins the errors of rules, each a *DerivationError. Calling Rederive again derives nothing twice. See
// [store.Engine.Rederive].
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
			f.ID, f.Key = "", "" // the engine sets both
		}
		d.Facts = append(d.Facts, f)
	}
	return d, nil
}
