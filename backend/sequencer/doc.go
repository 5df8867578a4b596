// SPDX-License-Identifier: Apache-2.0

// Package sequencer is for authors of backends. It does what the contract asks of every log: it numbers
// facts, fills in Causation and TransactionTime, recognises by their stores and IDs the facts that the log holds
// already, and checks expectations. A backend that uses it only has to keep bytes and read them again.
//
// # Opening
//
// A [Sequencer] works on what it holds in memory: 9 to 12 bytes for each ID, and each key's latest fact. When a
// log is opened it loads the facts that the log holds, in order:
//
//	seq := sequencer.New(log.fact) // how to read a fact that the log holds
//	for f := range … {
//		seq.Load(&f)
//	}
//
// # Writing
//
// A log takes writes one after the other, under a lock or on one goroutine, since places are given in order.
// For each batch:
//
//	facts, err := sequencer.PrepareBatch(b, maxFrame) // checks and copies; needs no lock
//
//	first := seq.Next()
//	fresh, err := seq.Assign(facts, b.Expect, time.Now())
//	switch {
//	case err != nil: // refused; nothing is assigned
//	case fresh == 0: // the log holds all facts already; they are in facts
//	default: // facts[i] is new if its Seq is at least first
//	}
//
// The log then keeps the new facts, all or none, as durably as it promises, and calls [Sequencer.Commit]; or
// [Sequencer.Rollback], if it is certain that they are not kept. If that is not certain, the log must not go
// on: it refuses writes with backend.ErrFailed until it is opened again and has looked. Readers may see the
// facts after Commit.
//
// A log that writes several batches at once calls Assign for each and Commit once. Each batch sees the ones
// before it, so all of them must be kept, or none.
//
// # Pruning
//
// After the log has removed facts it calls [Sequencer.Forget], and [Sequencer.Pruned] for each. A key whose latest fact is
// removed falls back to the latest one left, so the log reads which one that is. If the facts with the highest seqs are
// removed, the log must keep the highest seq itself, and hand it to [Sequencer.Skip] when it is opened: seqs are not given
// again.
package sequencer
