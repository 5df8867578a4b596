// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// A Reader answers questions about a log. Every answer has the facts that were acknowledged before the question. Its methods
// may be called concurrently.
//
// Errors are those of reading the log; backend.ErrForbidden, see the package's comment; a *backend.InvalidError for a
// question that breaks a rule; a *backend.CompactedError if the answer needs facts that were pruned; a
// *backend.DivergedError as of a seq that the log does not reach; and a *[NotLoadedError].
type Reader interface {
	// Get returns the fact that is a key's value as of a moment. Otherwise the error is a *[NoValueError].
	Get(ctx context.Context, readable []string, store, key string, at Moment) (Value, error)

	Stores(ctx context.Context, readable []string, q StoresQuery) (Stores, error)
	Keys(ctx context.Context, readable []string, q KeysQuery) (Keys, error)
	History(ctx context.Context, readable []string, q HistoryQuery) (History, error)

	// Fact returns the fact of a store with an ID, and what it changed. With store "" it is the only one with the ID: if several
	// stores have one, the error is a *backend.InvalidError. If there is none, it is ErrNotFound.
	Fact(ctx context.Context, readable []string, store, id string) (Version, error)

	// Facts returns the last seq of the log, and the facts of a window of it: in the order of the log, read as the loop
	// goes on; with Reverse the newest first. Each pair is a fact and nil, or the zero Version and an error, which ends
	// the loop. Only Reverse with Changes fills in more than the fact; it may end before Limit, at MaxAnswer bytes: go on
	// with Through until nothing comes.
	Facts(ctx context.Context, readable []string, q FactsQuery) (seq uint64, facts iter.Seq2[Version, error], err error)

	// Change returns what a fact changed; ok is false if its store is not in memory. The caller may read the store.
	Change(ctx context.Context, f *backend.Fact) (v Version, ok bool)

	// Lineage finds the fact as Fact does.
	Lineage(ctx context.Context, readable []string, q LineageQuery) (Lineage, error)
	Diff(ctx context.Context, readable []string, q DiffQuery) (Diff, error)
	Histogram(ctx context.Context, readable []string, q HistogramQuery) (Histogram, error)
	Moment(ctx context.Context, readable []string, q MomentQuery) (MomentAnswer, error)

	// Loaded returns the stores that are in memory.
	Loaded() []LoadedStore
}

// ErrNotFound is reported for a fact that the log does not have.
var ErrNotFound = errors.New("query: not found")

// A NoValueError says that a key has no value as of a moment.
type NoValueError struct {
	Store, Key string
	Seq        uint64        // read at
	Deleted    *backend.Fact // the retraction; nil: the key has no fact then
}

func (e *NoValueError) Error() string {
	if e.Deleted != nil {
		return fmt.Sprintf("key %q in store %q was deleted by fact %s, with seq %d", e.Key, e.Store, e.Deleted.ID, e.Deleted.Seq)
	}
	return fmt.Sprintf("key %q in store %q has no fact then", e.Key, e.Store)
}

// Is makes the error match ErrNotFound.
func (e *NoValueError) Is(target error) bool { return target == ErrNotFound }

// A NotLoadedError says that the answer needs a store in memory, which it is not: ask again with Load. If the store takes
// more than the reader may use, the error is backend.ErrTooLarge instead.
type NotLoadedError struct {
	Store string
	Facts uint64 // that loading reads
	Bytes uint64 // of memory that the store will take, an estimate
}

func (e *NotLoadedError) Error() string {
	return fmt.Sprintf("store %q is not in memory: to answer, %d facts must be loaded, which take about %d MiB: ask with load=1, or read one key", e.Store, e.Facts, e.Bytes>>20)
}

// A Moment says as of when to read, on both time axes. The zero Moment is now.
type Moment struct {
	Seq   uint64    `json:"seq,omitempty"`  // facts through this seq are visible; 0: all
	Time  time.Time `json:"time,omitzero"`  // facts whose transaction time is not later are visible; zero: all
	Valid time.Time `json:"valid,omitzero"` // the visible fact with the greatest valid time that is not later is the value; zero: the last visible one

	ValidNow bool `json:"valid_now,omitempty"` // in place of Valid: what is valid when it is read
}

// A Place is a seq, and the transaction time of the last fact at or before it; zero: there is none.
type Place struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time,omitzero"`
}

// A Value is the answer of Get.
type Value struct {
	Fact backend.Fact
	Seq  uint64 // read at
}
