// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// A Fact is one immutable statement: in store Store, key Key has value Value.
//
// The log fills in some fields that the writer leaves zero; the comments say which. [Fact.Validate]
// checks every limit named here.
type Fact struct {
	// Seq is the fact's position in the log: above the Seq of every earlier fact, with gaps allowed, never used twice. The
	// log assigns it, and ignores the Seq of a fact to be written; writers leave it 0.
	Seq uint64

	// ID names the fact in its store: 1 to 128 bytes of UTF-8, chosen by the writer (a UUIDv7 by default), so that
	// writing the same fact again is harmless. Facts of different stores are unrelated and may have the same ID. So a
	// writer without access to a store can neither use up its IDs nor find out which IDs it has.
	ID string

	// Store is the namespace of Key, 1 to 256 bytes of UTF-8. Key is at most 1024 bytes of UTF-8. Both, and ID, are
	// compared byte by byte: upper and lower case differ, trailing spaces count, and Unicode is not normalized. The empty
	// key is a key like any other: logs of the Ruby system have it.
	Store, Key string

	// Value is one JSON value, kept byte for byte except for white space around it: at most
	// [MaxDepth] levels deep, in valid UTF-8, without duplicate keys or lone surrogates. The value
	// null retracts: the key has no current value any more. Empty is not null, and invalid.
	Value json.RawMessage

	// ValueHash is the lower-case hex SHA-256 of Value's canonical JSON; the log fills it in if it
	// is empty. The log keeps a given hash, even one that does not match, since other writers may compute hashes in other
	// ways. It is at most 128 bytes of UTF-8.
	ValueHash string

	// Causation is the ID of the key's previous fact; "" if none exists. The log fills it in if it is empty, and
	// otherwise keeps it. It is at most 128 bytes of UTF-8.
	Causation string

	// TransactionTime is when the log accepted the fact. If it is zero, the log sets it, never to a time before an earlier
	// fact's time. The log keeps a given time, such as an import gives. While the latest time is ahead of the log's clock,
	// the log gives later facts later times, a nanosecond apart, until the clock has caught up.
	TransactionTime time.Time

	// ValidTime is when the statement became true in the app's domain; zero: not given. Times have
	// nanoseconds and lie in the years 1 to 9999.
	ValidTime time.Time

	// SchemaVersion is the version of the value's shape, from 1 to 2,147,483,647; 0 stands for 1.
	SchemaVersion int

	// By is the authenticated name of the writer; "" if nothing set it. A server that is configured to stamp facts sets it
	// to the name of the client's token or certificate, and accepts By only from clients that may import. A log keeps the
	// By that it is given. It is at most 256 bytes of UTF-8. ValueHash does not cover it; the log's [Head] does.
	By string

	// Producer is the writer's own statement about the origin of the fact, and Derivation about its sources. Each is a JSON
	// value under the rules of Value; nil or null if not given.
	Producer, Derivation json.RawMessage
}

// Retraction reports whether f's value is null. Then the key has no current value any more; its past stays readable.
func (f *Fact) Retraction() bool { return IsNull(f.Value) }

// Clone returns a copy of f that shares no memory with it, neither bytes nor strings, and so keeps no
// larger block of memory alive.
func (f Fact) Clone() Fact {
	f.Value = bytes.Clone(f.Value)
	f.Producer = bytes.Clone(f.Producer)
	f.Derivation = bytes.Clone(f.Derivation)
	for _, s := range []*string{&f.ID, &f.Store, &f.Key, &f.ValueHash, &f.Causation, &f.By} {
		*s = strings.Clone(*s)
	}
	return f
}
