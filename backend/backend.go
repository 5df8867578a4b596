package backend

import (
	"context"
	"iter"
)

// A Backend keeps facts in one ordered log.
//
// Methods may be called concurrently. Facts given out are the caller's to keep and change: no
// later call touches their memory, and changing it does not change the log. They may share larger
// blocks of memory, so keeping one of many facts may keep its neighbours' bytes too. The bytes of
// a fact taken in are copied before the call returns; its strings, which are not supposed to
// change, may be given back as they are.
//
// What is not promised: that seqs have no gaps, that two backends number the same facts alike, or
// that a fact is visible to Replay before its WriteFact returned.
type Backend interface {
	// WriteFact appends f and returns it as the log holds it: Seq above every earlier one,
	// Causation the ID of the key's latest fact where f gives none, TransactionTime where f gives
	// none (never before that of an earlier fact), ValueHash where f gives none, SchemaVersion 1
	// for 0, nil for a Producer or Derivation of null. When it returns nil, f is as durable as the
	// backend makes anything, and every Replay begun later yields it.
	//
	// Facts are known by ID. Writing one that the log holds already, with the same Store, Key and
	// ValueHash, changes nothing and returns the fact as first written; with others,
	// ErrIDReused. A log remembers at least its latest 1,000,000 IDs.
	//
	// A fact that breaks a limit of Fact is refused with *InvalidError, and one whose frame is
	// larger than the backend's limit with ErrTooLarge: neither was written. With a ctx that is done
	// before the call it writes nothing and returns ctx's error. After any other error, that of a
	// ctx that ends during the call included, f may or may not have been written, unless the error
	// says which. Writing it again is always safe.
	WriteFact(ctx context.Context, f Fact) (Fact, error)

	// Replay yields the facts after seq after, in order: all those acknowledged before the loop
	// began, and perhaps later ones. An after beyond the last seq yields nothing. Each pair is a
	// fact and nil, or the zero Fact and an error (ctx's, ErrClosed, *CorruptError, ...), which
	// ends the loop. The loop's body may call any method, Close excepted, and no lock is held
	// while it runs. Memory in use does not grow with the log. Each use starts anew.
	Replay(ctx context.Context, after uint64) iter.Seq2[Fact, error]

	// WriteSnapshot consolidates the log through seq through (0, or beyond the last: all of it)
	// into one compact, checked and compressed piece that replays faster than the frames it
	// replaces. It never changes what Replay yields. It is atomic: a crash leaves the old form or
	// the new. A backend whose frames nothing could replay faster than may only tidy them. With a
	// ctx that is done before the call it does nothing and returns ctx's error.
	WriteSnapshot(ctx context.Context, through uint64) error

	// Close releases the backend; what was acknowledged stays. Calls in flight either finish or
	// report ErrClosed. Closing again returns nil, and every other method then reports ErrClosed.
	Close() error
}
