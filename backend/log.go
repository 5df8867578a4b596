// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"iter"
	"time"
)

// A Log is a [Backend] with all methods that Igniter uses. The engine and the server work on a Log;
// [Complete] makes one of any Backend, and [DefaultsOf] has the methods that an author need not write.
//
// While a Log is open, it is one history: what it returned stays true. If another log takes its place, every
// method returns a *DivergedError.
//
// Methods may be added to Log. Embed [Defaults], or wrap with [Intercept], to keep compiling.
type Log interface {
	Backend

	// Write writes batches in their order, each with a verdict of its own: Written has an element for
	// each batch, and a refused batch does not affect the others.
	//
	// Either all facts of a batch are written, one directly after the other, or none; and none unless every Expect holds at
	// that moment. An Expect that fails is a *ConflictError that names the key and its latest fact. The rules of WriteFact
	// hold for each fact, as if the facts were written one after the other: a later fact of the same key follows an earlier
	// one. Facts that the log already holds (by store and ID) are not written again. If it holds all of them, the batch was
	// written before, and its expectations are not checked again. An empty batch only checks its expectations.
	//
	// A batch whose frame is larger than the backend's limit, or which has more than [MaxBatch] facts or expectations, is
	// ErrTooLarge. If ctx is done before the call, nothing is written. A log without [Features.Batches] writes batches of
	// one fact without expectations, and refuses others with errors.ErrUnsupported.
	Write(ctx context.Context, batches ...Batch) []Written

	// Follow yields what Replay yields, and then each new fact as it is acknowledged, in order, with no
	// gap and no repeat. Its first page comes at once, perhaps empty. Later empty pages come only when
	// Through moved, and then promptly. It ends at r.Through, if that is not 0; with ctx's error once
	// ctx is done; with ErrClosed once the log is closed; and with ErrAccessChanged once the stores that the caller may
	// read have changed. After a lost connection it continues after the last page. A slow reader costs writers nothing: it
	// is served from the log, not from a queue. Replay's rules for pairs and loop bodies hold.
	Follow(ctx context.Context, r Range) iter.Seq2[Page, error]

	// Prune removes the facts at the given seqs, durably. The other facts keep their seqs. Seqs may come in any order and
	// more than once; a seq that holds no fact is counted as missing. The log forgets the IDs of pruned facts, a key's
	// latest fact becomes the latest one left, and a key with none left is as if it was never written. Seqs of pruned facts
	// are not given again. A running loop may still yield pruned facts. After an error a part of the facts may be gone;
	// pruning the same seqs again is safe. If ctx is done before the call, nothing is removed. A log without
	// [Features.Prune] returns errors.ErrUnsupported.
	//
	// h is the moment before which the past becomes incomplete. Each store that loses a fact records its greatest
	// [Horizon], durably and atomically with the removal; [Stats.Horizons] has it. The horizon of a store that loses no
	// fact does not change.
	Prune(ctx context.Context, seqs iter.Seq[uint64], h Horizon) (PruneReport, error)

	// Stats describes the log at one moment between the call and its return. It is cheap: it avoids I/O where it can. No
	// decision about serving the log depends on it. The log of a server returns Stats.Connection even with an error; if ctx
	// is done before the call, it does not ask the server.
	Stats(ctx context.Context) (Stats, error)

	// Features returns what the log can do. It does no I/O, works after Close too, and its result may change after a
	// reconnect.
	Features() Features
}

// Features is what a log can do, and what its caller may read.
type Features struct {
	Batches bool // Write takes batches of several facts, and expectations
	Prune   bool // Prune removes facts
	AllIDs  bool // the log remembers the ID of every fact that it holds

	MaxFrame int           // the most bytes that the body of a fact's or batch's frame may have; 0: no limit
	Poll     time.Duration // the longest delay until Follow shows the writes of other processes; 0: they are pushed
	Stores   []string      // the stores that the caller may read, sorted; nil: all
}

// A Batch is a list of facts that are written together, or not at all, see [Log.Write].
type Batch struct {
	Facts  []Fact   // in the order of the log; empty: only Expect is checked
	Expect []Expect // all must hold at the moment of writing; nil: no condition
}

// Expect says that the latest fact of Key in Store has the given ID; "" says that the key has no
// fact. A retraction is a fact: a retracted key's latest fact is its retraction.
type Expect struct {
	Store string // 1 to 256 bytes of UTF-8
	Key   string // at most 1024 bytes of UTF-8
	ID    string // of the key's latest fact, at most 128 bytes of UTF-8; "": the key has none
}

// Written is the verdict on one batch.
type Written struct {
	Facts []Fact // as the log holds them, in the batch's order; nil after an error
	First uint64 // facts with a seq >= First are new to the log; 0: none of them are, or it is not known
	Err   error  // why nothing was written, or why the outcome is unknown; nil: the batch is in the log
}

// New reports whether f, a fact of w.Facts, is known to be new to the log.
func (w *Written) New(f *Fact) bool { return w.First != 0 && f.Seq >= w.First }

// Refused returns n verdicts with the same error, for a Write that wrote nothing.
func Refused(n int, err error) []Written {
	all := make([]Written, n)
	for i := range all {
		all[i].Err = err
	}
	return all
}

// A PruneReport is the result of [Log.Prune].
type PruneReport struct {
	Pruned  uint64 // facts that were removed
	Missing uint64 // seqs asked for at which the log held no fact
}
