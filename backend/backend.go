// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"iter"
)

// A Backend keeps facts in one ordered log. Authors of backends implement its four methods, which
// never change; [Complete] adds the rest of a [Log].
//
// Methods may be called concurrently. The caller owns what a method returns: no later call touches
// that memory, and changing it does not change the log. Facts of one [Page] may share larger blocks
// of memory, so keeping one fact may keep its neighbours' bytes. Before it returns, a method copies the bytes of the facts
// that it was given; it may return their strings uncopied.
//
// A backend does not promise that seqs have no gaps, that another backend numbers the same facts
// alike, or that Replay hides a fact until WriteFact has returned.
type Backend interface {
	// WriteFact appends f and returns it as the log holds it: Seq above every earlier one. Where f
	// leaves them empty, the log fills in Causation (the ID of the key's latest fact),
	// TransactionTime (never before the time of an earlier fact), ValueHash and SchemaVersion 1; a
	// Producer or Derivation of null becomes nil. When WriteFact returns nil, f is as durable as the
	// backend makes anything, and every Replay begun later yields it. Replay yields the same bytes
	// that WriteFact returned.
	//
	// An ID names one fact of a store. If the store already holds a fact with the ID of f, the log stays unchanged:
	// WriteFact returns that fact as first written if it has the same Key and ValueHash, otherwise ErrIDReused. The same ID
	// in another store names another fact. A log remembers at least the IDs of its latest 1,000,000 facts;
	// [Features.AllIDs] says that it remembers all.
	//
	// A fact that breaks a limit of Fact is an *InvalidError, and a fact whose frame is larger than the
	// backend's limit is ErrTooLarge: neither is written. If ctx is done before the call, nothing is
	// written and the error is ctx's. After any other error, such as ctx's if ctx ends during the call, f may or may not
	// have been written, unless the error says which. Writing f again is always safe.
	WriteFact(ctx context.Context, f Fact) (Fact, error)

	// Replay yields the facts in r that the log holds, in pages: all that were acknowledged before the
	// loop began, and perhaps later ones. [Page] has the rules of pages. An r.After beyond the log's
	// end, or of another log, is a *DivergedError.
	//
	// Each pair is a page and nil, or the zero Page and an error (ctx's, ErrClosed, *CorruptError, ...),
	// which ends the loop. The loop's body may call any method but Close, and no lock is held while it
	// runs. Memory in use does not grow with the log. The sequence may be used several times; each use
	// reads the log again.
	Replay(ctx context.Context, r Range) iter.Seq2[Page, error]

	// WriteSnapshot consolidates the log through seq through (0, or beyond the last: the whole log)
	// into one compact, checked and compressed form that replays faster than the frames it replaces. It
	// never changes what Replay yields. It is atomic: after a crash the log has the old form or the new one. A backend
	// whose frames already replay as fast as possible may merely tidy them. If ctx is done before the call, it does nothing
	// and returns ctx's error.
	WriteSnapshot(ctx context.Context, through uint64) error

	// Close releases the backend; acknowledged facts stay. Calls in flight either finish or report
	// ErrClosed. Closing again returns nil, and every other method then reports ErrClosed.
	Close() error
}
