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
	// Seq is the fact's place in the log: above the Seq of every earlier fact, with gaps allowed,
	// never used twice. The log assigns it. Writers leave it 0; the log ignores what they put
	// there.
	Seq uint64

	// ID names the fact in its store: 1 to 128 bytes of UTF-8, chosen by the writer (a UUIDv7 by default), so that
	// writing the same fact again is harmless. Facts of different stores may have the same ID: they have nothing to do
	// with each other, so that nobody who may not write a store can use its IDs up or find out which it has.
	ID string

	// Store is the namespace of Key, 1 to 256 bytes of UTF-8. Key is at most 1024 bytes of UTF-8. Both, and ID, are
	// compared byte by byte: with case, spaces at the end, and as composed or decomposed.
	// The empty key is a key like any other: logs of the Ruby system hold it.
	Store, Key string

	// Value is one JSON value, kept byte for byte except for white space around it: at most
	// [MaxDepth] levels deep, in valid UTF-8, without duplicate keys or lone surrogates. The value
	// null retracts: the key has no current value any more. Empty is not null, and invalid.
	Value json.RawMessage

	// ValueHash is the lower-case hex SHA-256 of Value's canonical JSON; the log fills it in if it
	// is empty. The log keeps a hash that is given, even one that does not match, since other
	// writers compute hashes in other ways. It is at most 128 bytes of UTF-8.
	ValueHash string

	// Causation is the ID of the key's previous fact; "" if there is none. The log fills it in if it
	// is empty, and keeps one that is given. It is at most 128 bytes of UTF-8.
	Causation string

	// TransactionTime is when the log took the fact in. If it is zero, the log sets it, never to a
	// time before an earlier fact's time. The log keeps a time that is given, as by an import. While
	// the latest time is ahead of the log's clock, the log gives later facts later times, a
	// nanosecond apart, until the clock has caught up.
	TransactionTime time.Time

	// ValidTime is when the statement became true in the app's domain; zero: not given. Times have
	// nanoseconds and lie in the years 1 to 9999.
	ValidTime time.Time

	// SchemaVersion is the version of the value's shape, from 1 to 2,147,483,647; 0 stands for 1.
	SchemaVersion int

	// By names who was let in to write the fact: a server stamps the name of the token or certificate, if it is told
	// to, and takes By from no client that may not import. A log keeps it as it is given; "": nobody stamped the fact. It
	// is at most 256 bytes of UTF-8. The hash does not cover it, and the log's [Head] does.
	By string

	// Producer is what the writer says about who wrote the fact, and Derivation what it was derived from: a JSON value
	// each, under the rules of Value. Nil or null: not given.
	Producer, Derivation json.RawMessage
}

// Retraction reports whether f's value is null: the key has no current value any more, and its
// past stays readable.
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
