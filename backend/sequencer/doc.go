// SPDX-License-Identifier: Apache-2.0

// Package sequencer is for authors of backends. It does the work that every log needs: it numbers facts, fills in Causation
// and TransactionTime, recognises facts that the log already holds by their stores and IDs, and checks expectations. A
// backend that uses it only has to store bytes and read them again.
//
// # Opening
//
// A [Sequencer] keeps 9 to 12 bytes for each ID, and each key's latest seq and ID, in memory. When a log is opened, it must
// load the facts of the log, in order:
//
//	seq := sequencer.New(log.fact) // a function that reads a fact of the log
//	for f := range … {
//		seq.Load(&f)
//	}
//
// # Writing
//
// A log takes writes one after the other, under a lock or on one goroutine, since seqs are assigned in order. For each
// batch:
//
//	facts, err := sequencer.PrepareBatch(b, maxFrame) // checks and copies; needs no lock
//
//	first := seq.Next()
//	fresh, err := seq.Assign(facts, b.Expect, time.Now())
//	switch {
//	case err != nil: // refused; nothing is assigned
//	case fresh == 0: // the log already holds all facts; they are in facts
//	default: // facts[i] is new if its Seq is at least first
//	}
//
// The log then stores the new facts, all or none, as durably as it promises, and calls [Sequencer.Commit]. If it is certain
// that none of them is stored, it calls [Sequencer.Rollback] instead. If the outcome is unknown, the log must not go on: it
// refuses writes with backend.ErrFailed until it is opened again and has read what is stored. Readers may see the facts
// after Commit.
//
// A log that writes several batches at once calls Assign for each and Commit once. Each batch sees the earlier ones, so the
// log must store all of them, or none.
//
// # Pruning
//
// After the log has removed facts, it calls [Sequencer.Forget], and [Sequencer.Pruned] for each fact. If a key's latest
// fact is removed, the latest fact left takes its place; the log must find that fact. If the facts with the highest seqs
// are removed, the log must keep the highest seq itself and pass it to [Sequencer.Skip] when it is opened, since seqs are
// never used twice.
package sequencer
