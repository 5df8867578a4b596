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

// Errors of a Port. Its other errors are backend.ErrUnavailable, which is temporary; backend.ErrInvalid and
// backend.ErrUnauthenticated, which last until somebody changes something; and permanent errors.
var (
	// ErrHeadMoved: the last position is not the expected one, and nothing was appended.
	ErrHeadMoved = errors.New("caslog: the head has moved")

	// ErrUnknown: the unit may have been appended, or may be appended later.
	ErrUnknown = errors.New("caslog: it is not known whether the unit was appended")

	// ErrNone: there is no such unit.
	ErrNone = errors.New("caslog: not found")
)

// A Port is the place of one log. Its methods may be called concurrently, but a Log has at most one Append in flight. Each
// method returns soon after its ctx ends, and gives up after some seconds, with backend.ErrUnavailable, even if ctx goes
// on.
type Port interface {
	// Identity returns the log's identity and ancestors. They do not change while the Port is open: if the place
	// comes to hold another log, Append and Head return a *backend.DivergedError.
	Identity() (backend.LogID, []backend.Ancestor)

	// Server returns the address and the name of the connected server, such as "nats-server 2.15.2"; "", "" if not connected.
	Server() (address, name string)

	// Append appends u if head is the last position, and returns the new last position. After any error except ErrUnknown,
	// nothing was and nothing will be appended.
	Append(ctx context.Context, head uint64, u Unit) (uint64, error)

	// Head returns the last position; 0 if the place is empty. It must include every unit whose Append returned before the
	// call.
	Head(ctx context.Context) (uint64, error)

	// Read yields the units after a position, in order, through another position, or without end if that is 0. It may skip
	// units, repeat them and end early: the Log calls Get for missing ones.
	Read(ctx context.Context, after, through uint64) iter.Seq2[Entry, error]

	// Get returns the unit that begins at a position. ErrNone means that the position certainly has no unit.
	Get(ctx context.Context, at uint64) (Entry, error)

	// NextNote returns the first Note after a position; ErrNone if there is no such Note.
	NextNote(ctx context.Context, after uint64) (Entry, error)

	// Erase removes the units at positions from first through last. It ignores units that are already gone.
	Erase(ctx context.Context, first, last uint64) error

	// Want tells other processes that an append of this one failed because of theirs, and that it wants to append. The hint
	// may be lost.
	Want()

	// Wanted reports whether another process has called Want since the last call.
	Wanted() bool

	// Remember stores a short text beside the log, and replaces the previous one. Recall returns it; "" if none exists.
	// The text is stored separately from the log, so that it survives if the log's end is lost.
	Remember(ctx context.Context, text string) error
	Recall(ctx context.Context) (string, error)

	// Last returns the last unit of a kind; ErrNone if there is no such unit.
	Last(ctx context.Context, kind Kind) (Entry, error)

	// Gone returns the number of positions, through last, without a unit. last is the last position that the place ever
	// gave out: it is above Head's if the last units were removed. A delayed answer may be too low. by changes when the
	// answer comes from another server, or from a restarted one, whose units may differ.
	Gone(ctx context.Context) (n, last uint64, by string, err error)

	// PutBlob stores the bytes of r beside the log, under a name that no blob has. It may take as long as necessary. After
	// an error the blob, or a part of it, may be there.
	PutBlob(ctx context.Context, name string, r io.Reader) error

	// GetBlob reads a blob. If none exists, GetBlob or the reader returns ErrNone. The bytes may be damaged.
	GetBlob(ctx context.Context, name string) (io.ReadCloser, error)

	// ListBlobs returns the blobs. RemoveBlob removes one, and ignores a blob that is already gone.
	ListBlobs(ctx context.Context) ([]Blob, error)
	RemoveBlob(ctx context.Context, name string) error

	// UnitBytes returns about the largest size that a unit should have. A larger unit is possible, but slower.
	UnitBytes() int

	Close() error
}

// A Kind says what a unit is.
type Kind byte

const (
	Facts Kind = 'f' // facts, as the body of a frame
	Kept  Kind = 'k' // the facts of a unit that remain after a prune, as the body of a frame
	Note  Kind = 'n' // a note, as JSON
	Index Kind = 'i' // the name of an index that is stored beside the log, as JSON
	Mark  Kind = 'm' // empty: its append proves that the head was known
)

// A Blob describes bytes that are stored beside the log.
type Blob struct {
	Name string
	Time time.Time // of PutBlob
}

// A Unit is the data of one Append. Header is short, and printable ASCII.
type Unit struct {
	Kind   Kind
	Header string
	Body   []byte // not empty
}

// An Entry is a unit with its positions.
type Entry struct {
	Unit
	At  uint64 // its first position
	End uint64 // its last position: At, unless the place had to split it
}
