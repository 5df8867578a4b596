// SPDX-License-Identifier: Apache-2.0

package companion

import "github.com/igniter-store/igniter/store"

// The engine's types that an app needs by name. go doc shows no fields of an alias, so each comment lists them. For all
// details, run go doc github.com/igniter-store/igniter/store.Query.

// A Moment says as of when to read, on both time axes. The zero Moment is now. See also [AsOf] and [ValidNow].
//
//	Seq   uint64     // only the facts through Seq are visible; 0: all
//	Time  time.Time  // only the facts whose transaction time is not after Time are visible; zero: all
//	Valid time.Time  // selects the visible fact with the greatest valid time not after Valid; zero: the last visible fact
type Moment = store.Moment

// A Query says which records to list, and in which order. The zero Query lists all current records, in the order in
// which their keys were first written.
//
//	At         Moment  // as of when
//	Prefix     string  // of the key
//	ByKey      bool    // order records by the bytes of their keys
//	Descending bool    // the last record first
//	OrderBy    Field   // order records by the value of a field, such as "owner.name"
//	Where      func(r store.Record) bool // list only records for which it reports true; nil: all
//	Cursor     string  // the Next of the previous page; "": the first page
//	Limit      int     // how many records at most; 0: no limit
type Query = store.Query

// Health is the state of a Store and its log. Healthy reports whether the Store follows its log; MarshalJSON writes Err
// as text.
//
//	Err        error                // nil while the Store follows the log, otherwise why it does not
//	Since      time.Time            // when the outage began or the latest attempt was made
//	Head       uint64               // the seq through which the Store shows the log
//	Connection *backend.Connection  // the backend's connection to its server; nil: none, or it is not reported
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
//	ValidTime       time.Time        // when it became true; zero: at its transaction time
//	SchemaVersion   int
//	By              string           // the token or certificate with which a server accepted it; "": no server stamped it
//	Producer        json.RawMessage  // who wrote it, according to the writer; nil: not given
//	Derivation      json.RawMessage  // the rule and the facts from which it was derived; nil: no rule derived it
type FactRef = store.FactRef

// A Lineage is everything that led to a fact: who wrote what, when, and from which sources.
//
//	Facts   []FactRef  // in the order of the log; the last one is the fact itself
//	Missing []string   // the IDs of causes and sources that are not in the log
//	Proof   string     // two lineages with the same proof have the same facts
type Lineage = store.Lineage

// A Retention says which facts of a store are kept. The zero Retention keeps all facts.
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
//	Before  time.Time        // when Rule.Window began; zero: there is no window
//	Facts   int              // how many
//	Seqs    [][2]uint64      // the seqs of the facts, as ascending ranges: first and last
//	Pending bool             // the facts are about to be pruned
//	Horizon backend.Horizon  // the moment before which the store's past is incomplete
type Compaction = store.Compaction
