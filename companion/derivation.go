package companion

import (
	"context"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// Derived is what a rule makes of a source.
type Derived struct {
	Changes []Change // what to write; conditions and IDs are the Store's to give
	From    []string // the IDs of other facts that it was derived from
}

// A DerivationError is a rule that failed for a fact. The fact is written all the same.
type DerivationError = store.DerivationError

// Derive adds a rule that makes changes, to this store or others, of each record written from now on
// by this Store, deletions too. The process that wrote the record runs it once, before the write
// returns, and writes what it makes as one batch, whose facts name the rule, its version and the
// sources. What is derived triggers no rule.
//
// A rule that fails is reported to Options.DerivationFailed and the Logger, and not by the write. A
// result that another write has overtaken is made anew, so rule may be called several times; it
// may read the Store, and must not write.
func (r *Records[T]) Derive(name string, version int, rule func(ctx context.Context, source Record[T]) (Derived, error)) error {
	return derive(r.store, r.name, name, version, rule)
}

// Derive adds a rule for each event appended from now on by this Store, as [Records.Derive].
func (h *History[T]) Derive(name string, version int, rule func(ctx context.Context, source Record[T]) (Derived, error)) error {
	return derive(h.store, h.name, name, version, rule)
}

func derive[T any](s *Store, from, name string, version int, rule func(ctx context.Context, source Record[T]) (Derived, error)) error {
	failed := func(err error) error { return fmt.Errorf("companion: rule %q of store %q: %w", name, from, err) }
	if rule == nil {
		return failed(&backend.InvalidError{Field: "rule", Reason: "nil"})
	}
	err := s.engine.AddRule(store.Rule{Name: name, Version: version, Source: from, Derive: func(ctx context.Context, found store.Record) (store.Derived, error) {
		source, err := decode[T](found)
		if err != nil {
			return store.Derived{}, err
		}
		made, err := rule(ctx, source)
		if err != nil {
			return store.Derived{}, err
		}
		d := store.Derived{From: made.From}
		for _, c := range made.Changes {
			f, err := s.complete(ctx, c)
			if err != nil {
				return store.Derived{}, err
			}
			if c.event {
				f.Key = "" // the engine gives it the ID that it gives the fact
			}
			d.Facts = append(d.Facts, f)
		}
		return d, nil
	}})
	if err != nil {
		return failed(err)
	}
	return nil
}
