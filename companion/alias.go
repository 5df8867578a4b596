// SPDX-License-Identifier: Apache-2.0

package companion

import "github.com/igniter-store/igniter/store"

// The types of the engine that an app needs by name. go doc shows no fields of an alias, so that each comment lists what its
// type has; go doc github.com/igniter-store/igniter/store.Query says it at length.

// A Moment says as of when to read, on both time axes. The zero Moment is now. [AsOf] and [ValidNow] return others.
//
//	Seq   uint64     // the facts through it are visible, and no others; 0: all
//	Time  time.Time  // the facts are visible whose transaction time is not after it; zero: all
//	Valid time.Time  // of a key's visible facts, the one with the greatest valid time not after it; zero: the last one
type Moment = store.Moment

// A Query says which records to list, and in which order. The zero Query lists all that are current, in the order in
// which their keys were first written.
//
//	At         Moment  // as of when
//	Prefix     string  // of the key
//	ByKey      bool    // order records by the bytes of their keys
//	Descending bool    // the last record first
//	OrderBy    Field   // order records by the value of a field, such as "owner.name"
//	Where      func(r store.Record) bool // list only records for which it reports true; nil: all
//	Cursor     string  // the Next of the page before; "": the first page
//	Limit      int     // how many records at most; 0: no limit
type Query = store.Query

// Health is how a Store and its log are at one moment. Healthy reports whether the Store follows its log; MarshalJSON
// writes Err as text.
//
//	Err        error                // why the Store does not follow the log now; nil: it does
//	Since      time.Time            // when that began or was last tried
//	Head       uint64               // the seq through which the Store shows the log
//	Connection *backend.Connection  // to the backend's server; nil: it has none, or does not say
type Health = store.Health

// OpenProgress is how far Open has come, see Options.Progress.
//
//	Facts uint64  // read so far
//	Total uint64  // that the log held when it began; 0: not known
type OpenProgress = store.OpenProgress

// A FactRef is a fact without its value; it has the value's hash.
//
//	Seq             uint64
//	ID, Store, Key  string
//	ValueHash       string           // hex SHA-256 of the value's canonical JSON
//	Causation       string           // the ID of the key's fact before it; "": there was none
//	TransactionTime time.Time        // when the log took it
//	ValidTime       time.Time        // from when on it is true; zero: from its transaction time
//	SchemaVersion   int
//	By              string           // with which token a server let it be written; "": no server stamped it
//	Producer        json.RawMessage  // who wrote it, as its writer says; nil: not said
//	Derivation      json.RawMessage  // of which facts a rule made it; nil: none did
type FactRef = store.FactRef

// A Lineage is everything that led to a fact: who wrote what, when, and from which sources.
//
//	Facts   []FactRef  // in the order of the log; the last one is the fact itself
//	Missing []string   // the IDs of those that are not in the log
//	Proof   string     // two lineages with the same proof have the same facts
type Lineage = store.Lineage

// A Retention says which facts of a store are kept. The zero Retention keeps all of them.
//
//	Versions int            // how many facts of each key, the latest ones; 0: all
//	Window   time.Duration  // how far back in time the store can be read; 0: without limit
//	Events   bool           // drop facts older than Window even if they have no successor
//	Forget   bool           // drop keys whose latest fact is a retraction
type Retention = store.Retention

// A Compaction is what was pruned from a store.
//
//	Store   string
//	Rule    Retention
//	Before  time.Time        // when Rule.Window began; zero: it has none
//	Facts   int              // how many
//	Seqs    [][2]uint64      // theirs, as ascending ranges: first and last
//	Pending bool             // they are about to be pruned
//	Horizon backend.Horizon  // the moment before which the store's past is incomplete
type Compaction = store.Compaction
