// SPDX-License-Identifier: Apache-2.0

// Package caslog makes a [backend.Log] of a place with one special operation: to append a unit only if the place's last
// unit is still the one that the writer knows (compare and swap).
//
// # Units
//
// A unit has data that commits together: the facts of one or more batches, in the log's codec. The place gives units
// positions without gaps. The body of a large unit is compressed. Each process knows the log through a position, and
// decides the result of a write with a [sequencer.Sequencer], as a log in memory does. It appends the result on the
// condition that its position is still the last one. Otherwise it reads the new units and decides again. So IDs, causation,
// expectations, whole batches and times that never run backwards need no other operation of the place.
//
// Every verdict holds at a moment between the call and its return: either the unit was appended, which proves that
// the log was known, or the place says that the known position is still the last one.
//
// # Unknown outcomes
//
// An append whose answer is lost may have happened, or may still happen. The log reads through a fresh head. If the unit is
// there, it was appended. Otherwise the log decides again. The first append can only succeed while its head is the last
// position, so only one of the two can succeed.
//
// # Damage
//
// Each unit names the log and has the running hash of the log before and after it. A reader passes every position. The unit
// of a missing position must have been pruned, or the place's leader must still have it. Otherwise facts were removed by
// other means, and the error is a *backend.CorruptError.
//
// # Pruning
//
// A prune writes the remaining facts of each affected unit as a new unit (kept). Then it writes a note that names the
// positions to erase and the units that replace them. Then it erases them, and writes a note that it is done. The first
// note is the moment of the prune: from then on readers treat the positions as erased, whether they are or not.
package caslog
