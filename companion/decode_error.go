// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/igniter-store/igniter/store"
)

// A DecodeError says that a fact's value can't be decoded as a T: it has another shape, or a version that can't be
// upcast. The record that comes with the error has all fields but Value. Loops go on after it.
type DecodeError struct {
	ID, Store, Key string // of the fact
	Seq            uint64
	Type           reflect.Type // T
	Err            error        // the reason; ErrNewer if the value has a newer version than the program knows
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("companion: decode fact %s, seq %d, key %q in store %q, as %v: %v", e.ID, e.Seq, e.Key, e.Store, e.Type, e.Err)
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

// An UndecodedError says that facts were skipped, because their values can't be decoded as a T.
type UndecodedError struct {
	Count int          // how many facts
	First *DecodeError // the first of them in the order of the log
}

func (e *UndecodedError) Error() string {
	return fmt.Sprintf("companion: passed over %d values, the first: %v", e.Count, e.First)
}

// Unwrap returns First.
func (e *UndecodedError) Unwrap() error { return e.First }

// add counts a DecodeError.
func (e *UndecodedError) add(err error) {
	if bad, ok := err.(*DecodeError); ok {
		e.Count++
		if e.First == nil || bad.Seq < e.First.Seq {
			e.First = bad
		}
	}
}

// err returns e if it counted one.
func (e *UndecodedError) err() error {
	if e.Count == 0 {
		return nil
	}
	now := *e // e may count more later
	return &now
}

// undecoded returns an *UndecodedError if the values of current records can't be decoded as a T, or nil.
func (s *source[T]) undecoded(ctx context.Context) error {
	var undecoded UndecodedError
	for _, err := range s.typed(ctx, s.store.engine.List(ctx, s.name, store.Query{})) {
		if bad := new(*DecodeError); err != nil && !errors.As(err, bad) {
			return err
		}
		undecoded.add(err)
	}
	return undecoded.err()
}
