package backend

import (
	"bytes"
	"encoding/json"
	"time"
)

// A Fact is one immutable statement: in store Store, key Key has value Value.
//
// The fields from Seq to ValueHash that a writer leaves zero are the log's to give; the comments
// say which. [Fact.Validate] checks every limit named here.
type Fact struct {
	// Seq is the fact's place in the log: above that of every fact before it, with gaps allowed,
	// never used twice. It is 0 until the log gives it; writers leave it 0, and what they put
	// there is ignored.
	Seq uint64

	// ID names the fact: 1 to 128 bytes of UTF-8, unique in the log, chosen by the writer (a
	// UUIDv7 by default), so that writing the same fact again is harmless.
	ID string

	// Store is the namespace of Key, 1 to 256 bytes of UTF-8. Key is at most 1024 bytes of UTF-8.
	// The empty key is a key like any other: logs of the Ruby system hold it.
	Store, Key string

	// Value is one JSON value, kept byte for byte except for white space around it: at most
	// [MaxDepth] levels deep, in valid UTF-8, without duplicate keys or lone surrogates. The value
	// null retracts: the key has no current value any more. Empty is not null, and invalid.
	Value json.RawMessage

	// ValueHash is the lower-case hex SHA-256 of Value's canonical JSON; the log fills in an empty
	// one. One that is given is kept as it is, even where it does not match, since other writers
	// hash otherwise; it is at most 128 bytes of UTF-8.
	ValueHash string

	// Causation is the ID of the key's fact before this one, "" where there is none. The log fills
	// in an empty one; one that is given is kept. It is at most 128 bytes of UTF-8.
	Causation string

	// TransactionTime is when the log took the fact in. Zero asks the log to say, and it never
	// says a time before that of an earlier fact. One that is given (by an import) is kept; while
	// it lies in the future, later facts that ask the log are given the same time.
	TransactionTime time.Time

	// ValidTime is when the statement became true in the app's domain; zero: not given. Times have
	// nanoseconds and lie in the years 1 to 9999.
	ValidTime time.Time

	// SchemaVersion is the version of the value's shape, from 1 to 2,147,483,647; 0 stands for 1.
	SchemaVersion int

	// Producer says who wrote the fact, and Derivation what it was derived from: a JSON value each,
	// under the rules of Value. Nil or null: not given.
	Producer, Derivation json.RawMessage
}

// Retraction reports whether f's value is null: the key has no current value any more, and its
// past stays readable.
func (f *Fact) Retraction() bool { return IsNull(f.Value) }

// Clone returns a copy of f that shares no memory which either side could write to.
func (f Fact) Clone() Fact {
	f.Value = bytes.Clone(f.Value)
	f.Producer = bytes.Clone(f.Producer)
	f.Derivation = bytes.Clone(f.Derivation)
	return f
}

// A Batch is facts that are written together, or not at all, see [BatchWriter].
type Batch struct {
	Facts  []Fact   // in the order that the log is to have them; none: only Expect is checked
	Expect []Expect // all must hold at the moment of writing; nil: no condition
}

// Expect says that the latest fact of Key in Store has the given ID; "" says that the key has no
// fact. A retraction is a fact: a retracted key's latest fact is its retraction.
type Expect struct {
	Store string // 1 to 256 bytes of UTF-8
	Key   string // at most 1024 bytes of UTF-8
	ID    string // of the key's latest fact, at most 128 bytes of UTF-8; "": the key has none
}

// Stats is what a log holds at one moment.
type Stats struct {
	FirstSeq   uint64 // of the first fact held; 0: the log holds none
	LastSeq    uint64 // the highest one of a fact ever acknowledged: each Replay begun later has all through it; 0: none yet
	Facts      uint64 // how many facts it holds
	Bytes      uint64 // what they occupy where the backend keeps them
	DurableSeq uint64 // facts through it survive a power cut; 0: none does

	Storage    *Storage    // nil: the backend keeps no files of its own, or does not say
	Connection *Connection // nil: the backend has no server
}

// Connection is how a backend and its server are connected at one moment.
type Connection struct {
	Address   string    // of the server, with the transport
	Up        bool      // they are connected
	Since     time.Time // when that began
	Protocol  int       // the version that is spoken, or was; 0: none yet
	Server    string    // how the server calls itself; "": it does not say
	Connects  uint64    // how often they were connected
	LastError string    // why a connection was lost; "": none was
}

// Storage is what a log's files are at one moment. Bytes counts them all.
type Storage struct {
	Segments, Snapshots int // files

	// Bytes by kind: facts in segments and snapshots, the indexes beside them, space written ahead
	// of the facts to come, and what recovery cut off and kept.
	SegmentBytes, SnapshotBytes, IndexBytes, AheadBytes, QuarantineBytes uint64

	LastSync time.Time // when facts were last made durable since the log was opened; zero: not yet
	Groups   uint64    // writes since the log was opened, each of one fact or several
	Grouped  uint64    // the facts in them; Grouped/Groups is how many share a write and its sync
}

// PruneReport says what [Pruner.Prune] did.
type PruneReport struct {
	Pruned  uint64 // facts that were removed
	Missing uint64 // seqs asked for at which the log held no fact
}
