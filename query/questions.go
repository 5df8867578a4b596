// SPDX-License-Identifier: Apache-2.0

package query

import "time"

// StoresQuery asks for the stores.
type StoresQuery struct {
	Days  int    // for how many days to count facts, up to 366
	After string // only stores with later names; "": all
}

// KeysQuery asks for a page of the keys of a store that have a value.
type KeysQuery struct {
	Store  string
	At     Moment
	Prefix string
	Where  []Condition // all must hold; up to 16
	Order  string      // "" or "first": first written; "key"; "changed": the seq of the value; or "value." and the path of a field. With "-" before it: descending
	Facets []string    // paths of fields, and "producer": count their values, whatever Where says of the field itself; up to 8
	Limit  int         // 0: 100; up to MaxLimit; below 0: all, for the command
	Cursor string      // the Next of the page before, of the same question: the page is of the same state of the log
	Load   bool        // load the store if it is not in memory
}

// HistoryQuery asks for the versions of a key, the newest first.
type HistoryQuery struct {
	Store, Key string
	At         Moment
	Before     uint64 // only versions before this seq, which the log must reach; 0: all
	Limit      int    // 0: 100; up to MaxLimit; below 0: all, for the command
	Ticks      bool   // give the times of all versions, too
}

// FactsQuery asks for facts of a window of the log.
type FactsQuery struct {
	After        uint64    // after this seq
	Through      uint64    // up to this seq; 0: to the end
	Since, Until time.Time // taken in at Since or later, and before Until; zero: at any time
	Filter
	Reverse bool // the newest first
	Limit   int  // 0: all; with Reverse 100
	Changes bool // with Reverse: what each fact changed
}

// A Filter selects facts. The zero Filter selects all facts.
type Filter struct {
	Stores   []string // nil: all
	Key      *string  // nil: any
	Prefix   string   // of the key
	Producer string   // JSON, or a text, which matches that string and an object with that "name"; "": any
	Where    []Condition
}

// LineageQuery asks what led to a fact, and what it led to.
type LineageQuery struct {
	ID      string
	Store   string // of the fact; "": the only store that has a fact with the ID
	Depth   int    // how many links to follow; 0: 2; below 0: all
	Effects bool   // also what it led to
	Limit   int    // facts on either side; 0: 100; up to MaxFacts
	Values  bool   // give values of up to MaxChange bytes
}

// DiffQuery asks what differs between two moments.
type DiffQuery struct {
	Store    string
	Key      *string // nil: all keys with Prefix
	Prefix   string
	From, To Moment // a From without seq and time is the empty log; a To without them is now
	Limit    int    // keys; 0: only counts; up to MaxLimit; below 0: all, for the command
	Cursor   string
	Load     bool
}

// HistogramQuery asks how many facts there are over time. With From and one of ByStore and ByProducer, and without True, only
// the facts between From and To are counted, also as First, Last and Dated; otherwise all are.
type HistogramQuery struct {
	Store       string  // "": all
	Key         *string // nil: all
	Known, True bool    // the axes; neither: Known
	From, To    time.Time
	Buckets     int // 0: 60; up to 1000
	ByStore     bool
	ByProducer  bool
	AtSeq       uint64 // 0: now
}

// MomentQuery asks for the seq of a time, the time of a seq, and the facts around.
type MomentQuery struct {
	At    time.Time // zero: Seq
	Seq   uint64    // 0: now
	Store string    // "": all
	Key   *string   // nil: all
}
