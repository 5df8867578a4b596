package store

import "time"

// A Moment says as of when to read, on both time axes. The zero Moment is now.
//
// Seq and Time choose which facts are visible: what the log held then. Valid chooses among the
// visible facts of a key: what was true then, as far as one knew.
type Moment struct {
	// Seq makes the facts through it visible, and no others; 0: all. For a seq that may be 0, as
	// the Head of an empty log is, see [AsOf].
	Seq uint64

	// Time makes the facts visible whose transaction time is not after it; zero: all. The last of
	// them in the log is the key's value, unless Valid says otherwise.
	Time time.Time

	// Valid makes that one of the visible facts the key's value that has the greatest valid time
	// not after it; of several, the last in the log. A fact without a valid time is valid from its
	// transaction time on. Zero: the last visible fact in the log, whatever its valid time. The first
	// such read of a key with many facts sorts them, and 24 bytes for each are kept.
	Valid time.Time

	none bool // nothing is visible
}

// AsOf returns the moment at which the log went through seq; with 0 it was empty.
func AsOf(seq uint64) Moment { return Moment{Seq: seq, none: seq == 0} }
