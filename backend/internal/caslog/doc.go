// SPDX-License-Identifier: Apache-2.0

// Package caslog makes a [backend.Log] of a place that can do one thing: append a unit if the place's last unit is still
// the one that the writer knows.
//
// # Units
//
// A unit is what commits together: the facts of one or more batches, in the log's codec. Units have positions, which
// the place gives without gaps. The body of a large one is compressed. Each process knows the log through a position, and decides what a write does with a
// [sequencer.Sequencer], as a log in memory does. It appends the result on the condition that the position is still
// the last one. Otherwise it reads what is new and decides again. So IDs, causation, expectations, whole batches and
// times that never run backwards need nothing else of the place.
//
// Every verdict holds at a moment between the call and its return: either the unit was appended, which proves that
// the log was known, or the place says that the known position is still the last one.
//
// # Unknown outcomes
//
// An append whose answer is lost may have happened, or may still happen. The log reads through a fresh head. If the unit
// is there, it was appended. Otherwise the log decides again. The first try can only happen as long as its head is
// the last position, so the two exclude each other.
//
// # Damage
//
// Each unit names the log and has the hash of the log before it and after it. A reader passes every position: one that
// is missing must have been pruned, or the place's leader must still have it. Otherwise facts were taken away, and the
// error is a *backend.CorruptError.
//
// # Pruning
//
// A prune writes what is left of each unit that it touches as a new unit (kept), then a note that names the
// positions to erase and what stands in for them, then erases them, then a note that it is done. The first note is the
// moment of the prune: from then on readers take the erased positions as missing, whether they are or not.
package caslog
