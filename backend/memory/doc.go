// Package memory is a log in RAM: the backend for tests, for caches, and for trying Igniter out.
// Nothing survives Close; all else is as with every other backend.
//
// The log is the frames of its facts, the same bytes that a file or a socket has, in chunks of up
// to 4 MiB:
//
//	chunk 1            chunk 2            chunk 3, the active one
//	[frame|frame|...]  [frame|frame|...]  [frame|frame|-> room    ]
//
// Bytes below a chunk's length never change, so readers take a slice of them under the lock and
// read it without. They copy the frames before they give facts out, so that what a caller does to
// a fact stays with him. Whoever follows the log keeps no queue, but the place that he has come to.
package memory
