// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// Errors of a Port. The others are backend.ErrUnavailable, which passes, backend.ErrInvalid and backend.ErrUnauthenticated, which
// pass when somebody changes something, and errors that do not pass.
var (
	// ErrHeadMoved: the last position is not the expected one, and nothing was appended.
	ErrHeadMoved = errors.New("caslog: the head has moved")

	// ErrUnknown: the unit may have been appended, or may be appended later.
	ErrUnknown = errors.New("caslog: it is not known whether the unit was appended")

	// ErrNone: there is no such unit.
	ErrNone = errors.New("caslog: there is none")
)

// A Port is the place of one log. Its methods may be called concurrently, but a Log has at most one Append in flight. Each
// method returns soon after its ctx ends, and gives up by itself after some seconds, with backend.ErrUnavailable.
type Port interface {
	// Identity returns the log's identity and ancestors. They do not change while the Port is open: if the place
	// comes to hold another log, Append and Head return a *backend.DivergedError.
	Identity() (backend.LogID, []backend.Ancestor)

	// Server returns the address and the name of the connected server, such as "nats-server 2.15.2"; "", "": there is none.
	Server() (address, name string)

	// Append appends u if head is the last position, and returns the new last position. After ErrHeadMoved, and any error
	// but ErrUnknown, nothing was and nothing will be appended.
	Append(ctx context.Context, head uint64, u Unit) (uint64, error)

	// Head returns the last position, at least that of any unit whose Append has returned before the call; 0 if the place
	// is empty.
	Head(ctx context.Context) (uint64, error)

	// Read yields the units after a position, in order, through another position, or on and on if that is 0. It may
	// skip units, repeat them and end early: the Log looks for what is missing with Get.
	Read(ctx context.Context, after, through uint64) iter.Seq2[Entry, error]

	// Get returns the unit that begins at a position. ErrNone: there is none, for certain.
	Get(ctx context.Context, at uint64) (Entry, error)

	// NextNote returns the first Note after a position. ErrNone: there is none.
	NextNote(ctx context.Context, after uint64) (Entry, error)

	// Erase removes the units at positions from first through last. Those that are gone are ignored.
	Erase(ctx context.Context, first, last uint64) error

	// Want tells the other processes that this one lost against them and wants to append. It is a hint that may be lost.
	Want()

	// Wanted reports whether another process has called Want since the last call.
	Wanted() bool

	// Remember keeps a short text beside the log, in place of the one before. Recall returns it; "": there is none. It is
	// kept in another way than the log, so that it tells when the log's end is lost.
	Remember(ctx context.Context, text string) error
	Recall(ctx context.Context) (string, error)

	// Last returns the last unit of a kind. ErrNone: there is none.
	Last(ctx context.Context, kind Kind) (Entry, error)

	// Gone returns at how many positions, through the last one, there is no unit. An answer that is late may be too low. by
	// changes when the answer may come from another server, or from one that was started again: what it keeps may differ.
	Gone(ctx context.Context) (n uint64, by string, err error)

	// PutBlob keeps what r reads beside the log, under a name that no blob has. It may take as long as that needs. After an error
	// the blob may be there, or a part of it.
	PutBlob(ctx context.Context, name string, r io.Reader) error

	// GetBlob reads a blob. ErrNone, from it or from the reader: there is none. What it reads may be damaged.
	GetBlob(ctx context.Context, name string) (io.ReadCloser, error)

	// ListBlobs returns the blobs. RemoveBlob removes one; one that is gone is ignored.
	ListBlobs(ctx context.Context) ([]Blob, error)
	RemoveBlob(ctx context.Context, name string) error

	// UnitBytes is about how large a unit should be at most. A larger one is possible, and slower.
	UnitBytes() int

	Close() error
}

// A Kind says what a unit is.
type Kind byte

const (
	Facts Kind = 'f' // facts, as the body of a frame
	Kept  Kind = 'k' // what a prune left of a unit, as the body of a frame
	Note  Kind = 'n' // a note, as JSON
	Index Kind = 'i' // names an index that is kept beside the log, as JSON
	Mark  Kind = 'm' // says nothing: that it was appended says that the head was known
)

// A Blob is bytes that are kept beside the log.
type Blob struct {
	Name string
	Time time.Time // when it was put
}

// A Unit is what is appended at once. Header is short, and printable ASCII.
type Unit struct {
	Kind   Kind
	Header string
	Body   []byte // not empty
}

// An Entry is a unit at its place.
type Entry struct {
	Unit
	At  uint64 // its first position
	End uint64 // its last position: At, unless the place had to cut it
}
