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

// A Reader answers questions about a log. Every answer covers the facts that were acknowledged before the question. Its
// methods may be called concurrently.
//
// A method returns an error of reading the log; backend.ErrForbidden, see the package's comment; a
// *backend.InvalidError for an invalid question; a *backend.CompactedError if the answer needs facts that were pruned;
// a *backend.DivergedError if the log does not reach a seq in the question; or a *[NotLoadedError].
type Reader interface {
	// Get returns the fact that is a key's value as of a moment. If the key has no value, the error is a
	// *[NoValueError].
	Get(ctx context.Context, readable []string, store, key string, at Moment) (Value, error)

	Stores(ctx context.Context, readable []string, q StoresQuery) (Stores, error)
	Keys(ctx context.Context, readable []string, q KeysQuery) (Keys, error)
	History(ctx context.Context, readable []string, q HistoryQuery) (History, error)

	// Fact returns the fact of a store with an ID, and what it changed. With store "" Fact searches all stores; if
	// several stores have a fact with the ID, the error is a *backend.InvalidError. If there is no such fact, it is
	// ErrNotFound.
	Fact(ctx context.Context, readable []string, store, id string) (Version, error)

	// Facts returns the last seq of the log, and the facts of a window of the log, in the order of the log or, with
	// Reverse, the newest first. The loop reads the log as it goes on. Each pair is a fact and nil, or the zero Version
	// and an error, which ends the loop. Only Reverse with Changes sets more fields than Fact. It may end before Limit,
	// at MaxAnswer bytes: go on with Through until it yields nothing.
	Facts(ctx context.Context, readable []string, q FactsQuery) (seq uint64, facts iter.Seq2[Version, error], err error)

	// Change returns what a fact changed; ok is false if its store is not in memory. Change does not check whether the
	// caller may read the store.
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

// A NotLoadedError says that the answer needs a store in memory that is not loaded: ask again with Load. If the store
// takes more memory than the reader may use, the error is backend.ErrTooLarge instead.
type NotLoadedError struct {
	Store string
	Facts uint64 // how many loading reads
	Bytes uint64 // estimate of the memory that the store will take
}

func (e *NotLoadedError) Error() string {
	return fmt.Sprintf("store %q is not in memory: to answer, %d facts must be loaded, which take about %d MiB: ask with load=1, or read one key", e.Store, e.Facts, e.Bytes>>20)
}

// A Moment says as of when to read, on both time axes. The zero Moment is now.
type Moment struct {
	Seq   uint64    `json:"seq,omitempty"`  // facts through this seq are visible; 0: all
	Time  time.Time `json:"time,omitzero"`  // facts whose transaction time is not later are visible; zero: all
	Valid time.Time `json:"valid,omitzero"` // the visible fact with the greatest valid time that is not later is the value; zero: the last visible one

	ValidNow bool `json:"valid_now,omitempty"` // in place of Valid: the time of the read
}

// A Place is a seq, and the transaction time of the last fact at or before it; Time is zero if there is no such fact.
type Place struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time,omitzero"`
}

// A Value is the answer of Get.
type Value struct {
	Fact backend.Fact
	Seq  uint64 // read at
}
