package companion

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Derived is what a rule makes of a source.
type Derived struct {
	Changes []Change // what to write; the Store sets conditions and IDs
	From    []string // the IDs of other facts that it was derived from
}

// A DerivationError is a rule that failed for a fact. The fact is written all the same.
type DerivationError = store.DerivationError

// Derive adds a rule that makes changes, to this store or others, of each fact written from now on
// by this Store, deletions too. The process that wrote the fact runs it once, before the write
// returns, and writes the changes as one batch, whose facts name the rule, its version and the
// sources. Derived facts trigger no rule.
//
// A rule that fails is reported to Options.DerivationFailed and the Logger, and not by the write. If
// another write changes a key first, the rule is called again, so it may be called several times; it
// may read the Store, and must not write.
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

// derived returns the facts to write.
func (s *Store) derived(ctx context.Context, made Derived) (store.Derived, error) {
	d := store.Derived{From: made.From}
	for _, c := range made.Changes {
		f, err := s.complete(ctx, c)
		if err == nil && c.check {
			err = &backend.InvalidError{Field: "change", Reason: "a Condition, which writes nothing: the Store sets the conditions of a rule"}
		}
		if err != nil {
			return store.Derived{}, err
		}
		if c.event {
			f.Key = "" // the engine gives it the ID that it gives the fact
		}
		d.Facts = append(d.Facts, f)
	}
	return d, nil
}
