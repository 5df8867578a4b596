// SPDX-License-Identifier: Apache-2.0

package query

import (
	"encoding/json"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// Stores are the stores of a log.
type Stores struct {
	Seq    uint64        `json:"seq"`
	Time   time.Time     `json:"time,omitzero"`
	Log    backend.LogID `json:"log,omitzero"`
	Facts  uint64        `json:"facts"`
	Bytes  uint64        `json:"bytes,omitempty"` // of the log, for callers that may read all
	Stores []Store       `json:"stores"`          // by name
	More   bool          `json:"more,omitempty"`  // there are more than are listed
	Next   string        `json:"next,omitempty"`  // the After of the next page; "": none
}

// A Store describes a store of a log.
type Store struct {
	Store    string           `json:"store"`
	Keys     *uint64          `json:"keys,omitempty"` // with a value; nil: not counted
	Facts    uint64           `json:"facts"`
	Bytes    uint64           `json:"bytes"` // of keys, values and IDs
	FirstSeq uint64           `json:"first_seq"`
	LastSeq  uint64           `json:"last_seq"`
	LastTime time.Time        `json:"last_time"`
	Loaded   bool             `json:"loaded"`
	Memory   uint64           `json:"memory"` // bytes that it takes in memory, or would take
	Loading  *Progress        `json:"loading,omitempty"`
	Horizon  *backend.Horizon `json:"horizon,omitempty"`
	Days     []uint64         `json:"days"` // facts of each day, UTC, the oldest first
}

// Progress is how many facts of Total were read.
type Progress struct {
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}

// A LoadedStore is a store in memory.
type LoadedStore struct {
	Store  string `json:"store"`
	Facts  uint64 `json:"facts"`
	Memory uint64 `json:"memory"`
}

// A Record is a fact that is a key's value. Its JSON has the members of the fact, and "version".
type Record struct {
	Fact       backend.Fact
	ValueBytes int    // size of a value that was left out; 0 if the value is here
	Version    uint64 // how many facts of the key the log has through this one
}

// A Version is a fact, with what it changed. Its JSON has the members of the fact, and more.
type Version struct {
	Fact        backend.Fact `json:"-"`
	ValueBytes  int          `json:"-"`
	Version     uint64       `json:"version"` // from 1; 0: not counted
	Kind        string       `json:"kind"`    // created, changed, same or deleted; "": not asked for
	Changes     []Change     `json:"changes,omitempty"`
	MoreChanges bool         `json:"more_changes,omitempty"`
	PreviousSeq uint64       `json:"previous_seq,omitempty"`
	Follows     string       `json:"follows,omitempty"` // whether Causation names the version before: yes, no, gone
	Causes      int          `json:"causes"`
	Rule        string       `json:"rule,omitempty"`
	HashOK      bool         `json:"hash_ok"`
}

// A Change is a field that differs between two values.
type Change struct {
	Field    string          `json:"field"`
	Old      json.RawMessage `json:"old,omitempty"`
	New      json.RawMessage `json:"new,omitempty"`
	OldBytes int             `json:"old_bytes,omitempty"` // size of an old value that is left out
	NewBytes int             `json:"new_bytes,omitempty"`
}

// Keys is a page of the keys of a store.
type Keys struct {
	Store   string           `json:"store"`
	Seq     uint64           `json:"seq"`
	At      Moment           `json:"at"`
	Place   Place            `json:"place"` // of the last visible fact of the store
	Keys    int              `json:"keys"`  // that have a value then
	Count   int              `json:"count"` // how many of them match
	Records []Record         `json:"records"`
	Next    string           `json:"next,omitempty"`
	Fields  []string         `json:"fields,omitempty"`
	Facets  map[string]Facet `json:"facets,omitempty"`
	Horizon *backend.Horizon `json:"horizon,omitempty"`
}

// A Facet counts the values of a field.
type Facet struct {
	Values   []FacetValue `json:"values"` // the most frequent first, at most 10
	Distinct int          `json:"distinct"`
	Missing  int          `json:"missing,omitempty"`
}

// A FacetValue is a value and how often it is there.
type FacetValue struct {
	Value json.RawMessage `json:"value"`
	Count int             `json:"count"`
}

// History is a page of the versions of a key.
type History struct {
	Store     string           `json:"store"`
	Key       string           `json:"key"`
	Seq       uint64           `json:"seq"`
	At        Moment           `json:"at"`
	Versions  uint64           `json:"versions"` // 0: the key has no fact then
	Deletions uint64           `json:"deletions"`
	First     *Place           `json:"first,omitempty"`
	Last      *Place           `json:"last,omitempty"`
	Whole     bool             `json:"whole"` // nothing was pruned, and each version follows the one before
	Horizon   *backend.Horizon `json:"horizon,omitempty"`
	Records   []Version        `json:"records"`
	Next      uint64           `json:"next,omitempty"`
	Ticks     []Tick           `json:"ticks,omitempty"` // all versions, the oldest first, or the newest 2,000
	MoreTicks bool             `json:"more_ticks,omitempty"`
}

// A Tick is when a version was known, and since when it was true.
type Tick struct {
	Seq   uint64    `json:"seq"`
	Time  time.Time `json:"time"`
	Valid time.Time `json:"valid,omitzero"`
	Kind  string    `json:"kind,omitempty"` // "deleted"
}

// Lineage is the facts that led to a fact.
type Lineage struct {
	ID       string    `json:"id"`
	Seq      uint64    `json:"seq"`
	Facts    []FactRef `json:"facts"` // by seq; the last is the fact itself
	Links    []Link    `json:"links"`
	Missing  []string  `json:"missing,omitempty"`
	Whole    bool      `json:"whole"` // depth and limit cut nothing off, and no fact names more than MaxFacts others
	Proof    string    `json:"proof,omitempty"`
	Verified bool      `json:"verified"`
	Problem  string    `json:"problem,omitempty"`
	Effects  *Effects  `json:"effects,omitempty"`
}

// Effects are the facts to which a fact led.
type Effects struct {
	Facts   []FactRef `json:"facts"`
	Links   []Link    `json:"links"`
	More    bool      `json:"more"`    // there may be more: the limit was reached, or a fact names more than MaxFacts others
	Through uint64    `json:"through"` // looked for through this seq
}

// A FactRef is a fact of a lineage. Its JSON has the members of the fact, without the value unless LineageQuery.Values
// is set.
type FactRef struct {
	Fact       backend.Fact
	ValueBytes int
	Depth      int // how many links away
}

// A Link says that fact To led to fact From.
type Link struct {
	From    string `json:"from"` // the ID of the fact, which is unique within its store
	FromSeq uint64 `json:"from_seq"`
	To      string `json:"to"`
	ToSeq   uint64 `json:"to_seq,omitempty"` // 0: the fact is not here

	Kind string `json:"kind"` // follows, cause, causation (either of the two; fact To is not here) or source
	Rule string `json:"rule,omitempty"`
}

// Diff is what differs between two moments.
type Diff struct {
	Store   string    `json:"store"`
	Seq     uint64    `json:"seq"`
	From    Moment    `json:"from"`
	To      Moment    `json:"to"`
	Entered int       `json:"entered"`
	Changed int       `json:"changed"`
	Left    int       `json:"left"`
	Keys    []KeyDiff `json:"keys"` // by key
	Next    string    `json:"next,omitempty"`
}

// A KeyDiff is a key that differs.
type KeyDiff struct {
	Key         string   `json:"key"`
	Kind        string   `json:"kind"` // entered, changed or left
	From        *Record  `json:"from,omitempty"`
	To          *Record  `json:"to,omitempty"`
	Changes     []Change `json:"changes,omitempty"`
	MoreChanges bool     `json:"more_changes,omitempty"`
}

// Histogram is how many facts there are over time.
type Histogram struct {
	Seq        uint64  `json:"seq"`
	Store      string  `json:"store,omitempty"`
	Known      *Axis   `json:"known,omitempty"` // by transaction time
	True       *Axis   `json:"true,omitempty"`  // by valid time, or else transaction time
	Dated      uint64  `json:"dated"`           // facts with a valid time of their own
	First      *Place  `json:"first,omitempty"`
	Last       *Place  `json:"last,omitempty"`
	Groups     []Group `json:"groups,omitempty"` // the most facts first, at most 100
	MoreGroups bool    `json:"more_groups,omitempty"`
}

// An Axis counts facts in buckets of equal length from From to To.
type Axis struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Counts []uint64  `json:"counts"`
	Facts  uint64    `json:"facts"`
	Before uint64    `json:"before,omitempty"`
	After  uint64    `json:"after,omitempty"`
}

// A Group counts facts of a store and a producer.
type Group struct {
	Store    string          `json:"store,omitempty"`
	Producer json.RawMessage `json:"producer,omitempty"`
	Facts    uint64          `json:"facts"`
}

// MomentAnswer is where a moment is in the log.
type MomentAnswer struct {
	Seq      uint64 `json:"seq"`                // read at
	At       *Place `json:"at,omitempty"`       // the last fact at or before the moment
	Previous *Place `json:"previous,omitempty"` // the fact before At
	Next     *Place `json:"next,omitempty"`     // the first fact after the moment
}
