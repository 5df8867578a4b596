// SPDX-License-Identifier: Apache-2.0

// Package memory is a log in RAM: the backend for tests, for caches, and for trying Igniter out. Nothing survives Close. In
// everything else it behaves as every other backend.
//
// The log consists of frames of package wire, one for each batch, in chunks of up to 4 MiB:
//
//	chunk 1            chunk 2            chunk 3, the active one
//	[frame|frame|...]  [frame|frame|...]  [frame|frame|-> room    ]
//
// Bytes below a chunk's length never change, so a reader takes a slice of them under the lock and reads it
// without the lock. Facts are parsed from a copy, so that a caller may change them. A reader that follows the
// log has a cursor, not a queue.
package memory
