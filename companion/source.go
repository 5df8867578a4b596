// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A source is what Records and Events have in common: the facts of one store of the log, each a T.
type source[T any] struct {
	store *Store
	name  string
	known *jsonType // of T
}

// newSource returns the source with a name, or an error if it can't hold values of T.
func newSource[T any](s *Store, name string) (source[T], error) {
	err := backend.CheckStore(name)
	known := valuesOf(reflect.TypeFor[T]())
	switch {
	case s == nil:
		err = &backend.InvalidError{Field: "store", Reason: "a nil Store: did Open fail?"}
	case err != nil:
	case !s.engine.Loaded(name):
		err = ErrNotLoaded
	default:
		err = known.err
	}
	if err != nil {
		return source[T]{}, fmt.Errorf("companion: store %q: %w", name, err)
	}
	return source[T]{s, name, known}, nil
}

// facts implements Facts.
func (s *source[T]) facts() *source[T] { return s }

// typed decodes records of the source.
func (s *source[T]) typed(ctx context.Context, records iter.Seq2[store.Record, error]) iter.Seq2[Record[T], error] {
	return decoded(ctx, s, records, s.decode)
}

// decoded decodes the pairs that the engine yields for a source. It ends with the first error of the engine or of ctx,
// but goes on after backend.ErrCompacted and after an error of decode. It yields the error of a ctx that is done even
// if there is nothing else to yield.
func decoded[T, From, To any](ctx context.Context, s *source[T], all iter.Seq2[From, error], decode func(From) (To, error)) iter.Seq2[To, error] {
	return func(yield func(To, error) bool) {
		var none To
		if err := ctx.Err(); err != nil {
			yield(none, s.readError(err))
			return
		}
		for found, err := range all {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				if !yield(none, s.readError(err)) || !errors.Is(err, backend.ErrCompacted) {
					return
				}
				continue
			}
			if !yield(decode(found)) {
				return
			}
		}
	}
}

// readError says that a read of the source failed.
func (s *source[T]) readError(err error) error {
	return fmt.Errorf("companion: read store %q: %w", s.name, err)
}

// Upcast sets how values of older schema versions are converted: the first step converts version 1 to 2, the next one 2
// to 3, and so on. New writes get the version that the last step returns. Values are converted when they are read, and
// stored facts stay as they are; a value of a newer version is ErrNewer. Call Upcast before the first read. Setting
// other steps again is a *backend.InvalidError, unless Upcast was called without steps in between. Without steps, the
// current version is 1. If Upcast is never called, values of all versions, newer ones too, are read unchanged.
func (s *source[T]) Upcast(steps ...func(value json.RawMessage) (json.RawMessage, error)) error {
	all := make([]store.Upcaster, len(steps))
	for i, step := range steps {
		all[i] = step
	}
	if err := s.store.engine.Upcast(s.name, all...); err != nil {
		return fmt.Errorf("companion: upcast store %q: %w", s.name, err)
	}
	return nil
}

func (s *source[T]) retain(rule Retention) error {
	if err := s.store.engine.Retain(s.name, rule); err != nil {
		return fmt.Errorf("companion: retain store %q: %w", s.name, err)
	}
	return nil
}
