// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"errors"
	"fmt"
)

// Errors to test for with errors.Is. They keep their identity across the network.
var (
	// ErrClosed: the backend was closed.
	ErrClosed = errors.New("backend: closed")

	// ErrConflict: an Expect did not hold; nothing was written. The error is a *ConflictError.
	ErrConflict = errors.New("backend: conflict")

	// ErrIDReused: the store holds another fact under this ID; nothing was written.
	ErrIDReused = errors.New("backend: fact ID used for another fact")

	// ErrInvalid: the fact or argument breaks a rule; nothing was written. The error is an
	// *InvalidError.
	ErrInvalid = errors.New("backend: invalid")

	// ErrTooLarge: the fact's or batch's frame is larger than the limit; nothing was written.
	ErrTooLarge = errors.New("backend: too large")

	// ErrCorrupt: stored or received bytes are damaged. The error is usually a *CorruptError.
	ErrCorrupt = errors.New("backend: corrupt")

	// ErrFull: there is no room; nothing was written, and writing again works once there is.
	ErrFull = errors.New("backend: storage full")

	// ErrFailed: the storage failed, and it is unknown what it holds. The backend takes no more writes
	// until it is opened again. A write that fails with it may be in the log; after reopening, writing the same fact again,
	// with its ID, is safe.
	ErrFailed = errors.New("backend: storage failed")

	// ErrUnavailable: the backend can't be reached now; trying again later may work. A call waits for the
	// backend as long as its context lasts, so give writes a deadline. A write that fails with it may be in the log, or
	// reach it later; writing the same fact again, with its ID, is safe.
	ErrUnavailable = errors.New("backend: unavailable")

	// ErrUnauthenticated: the caller showed no token or certificate that the backend accepts.
	ErrUnauthenticated = errors.New("backend: unauthenticated")

	// ErrForbidden: the caller is known but may not do this.
	ErrForbidden = errors.New("backend: forbidden")

	// ErrAccessChanged: the stores that the caller may read have changed since the loop began. Start the loop again.
	ErrAccessChanged = errors.New("backend: the access has changed")

	// ErrDiverged: the log is not the one that the caller has read. The error is a *DivergedError.
	ErrDiverged = errors.New("backend: diverged")

	// ErrCompacted: the answer needs facts that were pruned. The error is a *CompactedError.
	ErrCompacted = errors.New("backend: compacted")
)

// A DivergedError reports a [Cursor] from which the log can't continue: it lies beyond the log's end, or in another
// history. errors.Is(err, ErrDiverged) is true of it.
type DivergedError struct {
	Cursor Cursor // the caller's cursor
	Log    LogID  // the log that was found; zero: not known
	Common uint64 // the last seq through which the two logs have the same facts; 0: they share none, or it is not known
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("backend: diverged: the log does not reach or does not know cursor %s: it was restored, repaired or replaced; what was read after seq %d is not part of it: read it again from there",
		e.Cursor, e.Common)
}

// Is makes the error match ErrDiverged.
func (e *DivergedError) Is(target error) bool { return target == ErrDiverged }

// A ConflictError is an [Expect] that did not hold. errors.Is(err, ErrConflict) is true of it.
type ConflictError struct {
	Store, Key string
	Expected   string // the ID that was expected; "": no fact
	Latest     string // the ID of the key's latest fact; "": the key has none
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("backend: conflict: the latest fact of key %q in store %q is %s, not %s: read the key again, then decide",
		e.Key, e.Store, factName(e.Latest), factName(e.Expected))
}

// Is makes the error match ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

func factName(id string) string {
	if id == "" {
		return "none"
	}
	return fmt.Sprintf("%q", id)
}

// An InvalidError is an argument that breaks a rule. errors.Is(err, ErrInvalid) is true of it.
type InvalidError struct {
	Field  string // the argument, by its name in the JSON form: "key", "facts[3].value", "path"
	Reason string // what is wrong with it
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("backend: invalid %s: %s", e.Field, e.Reason)
}

// Is makes the error match ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// A CorruptError is damage found in stored or sent bytes. errors.Is(err, ErrCorrupt) is true of it.
type CorruptError struct {
	Path   string // the file or peer that the bytes came from; "": not known
	Offset int64  // of the damaged frame, in bytes from the start of the file or stream
	Reason string // what is wrong with it
}

func (e *CorruptError) Error() string {
	where := ""
	if e.Path != "" {
		where = e.Path + ": "
	}
	return fmt.Sprintf("backend: corrupt: %sat byte %d: %s", where, e.Offset, e.Reason)
}

// Is makes the error match ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
