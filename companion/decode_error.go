package companion

import (
	"fmt"
	"reflect"
)

// A DecodeError is a fact whose value is no T: of another shape, or of a version that can't be upcast. The record beside
// it has all but Value. Loops go on after it, from the next record.
type DecodeError struct {
	ID, Store, Key string // of the fact
	Seq            uint64
	Type           reflect.Type // T
	Err            error        // why; ErrNewer if the value is of a newer version than the program knows
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("companion: decode fact %s, seq %d, key %q in store %q, as %v: %v", e.ID, e.Seq, e.Key, e.Store, e.Type, e.Err)
}

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

// An UndecodedError says that facts were passed over, since their values are no T.
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
	now := *e // which may count more later
	return &now
}
