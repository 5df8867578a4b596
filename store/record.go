// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"time"
	"unsafe"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/uuidtext"
	"github.com/igniter-store/igniter/wire"
)

// A Record is a fact as the engine holds it; its methods decode one field each. It is a small value and stays
// valid whatever the engine does. The zero Record is a fact with no fields.
//
// The strings and JSON that its methods return share the engine's memory: do not change them. Fact returns
// a copy.
type Record struct {
	space *namespace
	data  []byte // see encode; longer than the record
}

// Seq returns the fact's place in the log.
func (r Record) Seq() uint64 { return r.u64(atSeq) }

// ID returns the fact's ID.
func (r Record) ID() string {
	if r.data == nil {
		return ""
	}
	text := r.idText()
	if r.data[atFlags]&flagUUID != 0 {
		return uuidtext.String([16]byte(text))
	}
	return asString(text)
}

// hasID reports whether r.ID() is id.
func (r Record) hasID(id string) bool {
	if r.data == nil {
		return false
	}
	text := r.idText()
	if r.data[atFlags]&flagUUID != 0 {
		u, ok := uuidtext.Parse(id)
		return ok && u == [16]byte(text)
	}
	return asString(text) == id
}

// Store returns the store that the fact is in.
func (r Record) Store() string {
	if r.space == nil {
		return ""
	}
	return r.space.name
}

// Key returns the fact's key.
func (r Record) Key() string {
	if r.data == nil {
		return ""
	}
	return asString(r.data[atTexts:r.valueStart()])
}

// Value returns the fact's value: JSON, null for a retraction.
func (r Record) Value() json.RawMessage {
	if r.data == nil {
		return nil
	}
	start, end := r.valueStart(), r.valueEnd()
	return json.RawMessage(r.data[start:end:end])
}

// Retracted reports whether the value is null: the fact removes its key's value.
func (r Record) Retracted() bool { return string(r.Value()) == "null" }

// live reports whether r is a fact and no retraction.
func (r Record) live() bool { return r.data != nil && !r.Retracted() }

// ValueHash returns the hash of the value, as the log has it.
func (r Record) ValueHash() string {
	if r.data == nil {
		return ""
	}
	start := r.valueEnd() + int(r.data[atFlags+1])
	sum := r.data[start : start+int(r.data[atFlags+2])]
	if r.data[atFlags]&flagHex != 0 {
		var text [2 * sha256.Size]byte
		hex.Encode(text[:], sum)
		return string(text[:])
	}
	return asString(sum)
}

// Causation returns the ID of the fact that this one follows; "" if it follows none.
func (r Record) Causation() string {
	if r.data == nil {
		return ""
	}
	if r.data[atFlags]&flagPrev != 0 {
		return r.prev().ID()
	}
	end := r.tailStart()
	return asString(r.data[end-int(r.data[atFlags+3]) : end])
}

// TransactionTime returns when the log took the fact in, in UTC.
func (r Record) TransactionTime() time.Time {
	switch {
	case r.data == nil:
		return time.Time{}
	case r.data[atFlags]&flagWide == 0:
		return time.Unix(0, int64(r.u64(atTime))).UTC()
	}
	return r.tail().transaction
}

// ValidTime returns when the fact became true in the app's domain, in UTC; zero if not given.
func (r Record) ValidTime() time.Time {
	if r.data == nil || r.data[atFlags]&flagValid == 0 {
		return time.Time{}
	}
	return r.tail().valid
}

// SchemaVersion returns the version of the value's shape.
func (r Record) SchemaVersion() int {
	if r.data == nil || r.data[atFlags]&flagVersion == 0 {
		return 1
	}
	return r.tail().version
}

// Producer returns what the writer says about who wrote the fact; nil if not given.
func (r Record) Producer() json.RawMessage {
	if r.data == nil || r.data[atFlags]&flagWriter == 0 {
		return nil
	}
	return r.tail().producer
}

// By returns the name of the token or certificate with which a server let in who wrote the fact; "" if no server stamped
// it, see [backend.Fact].
func (r Record) By() string {
	if r.data == nil || r.data[atFlags]&flagWriter == 0 {
		return ""
	}
	return r.tail().by
}

// Derivation returns what the fact was derived from; nil if it was not.
func (r Record) Derivation() json.RawMessage {
	if r.data == nil || r.data[atFlags]&flagDerivation == 0 {
		return nil
	}
	return r.tail().derivation
}

// Version returns the place of the fact among the facts of its key that the engine holds, counted from 1.
func (r Record) Version() int { return int(r.depth()) }

// Previous returns the fact of the key before r, as far as the engine holds it; the zero Record if none exists.
func (r Record) Previous() Record {
	if r.data == nil {
		return Record{}
	}
	return r.prev()
}

// Fact returns a copy of the fact, which the caller may change.
func (r Record) Fact() backend.Fact {
	if r.data == nil {
		return backend.Fact{}
	}
	tail := r.tail()
	f := backend.Fact{
		Seq: r.Seq(), ID: r.ID(), Store: r.Store(), Key: r.Key(), Value: r.Value(),
		ValueHash: r.ValueHash(), Causation: r.Causation(), TransactionTime: r.TransactionTime(),
		ValidTime: tail.valid, SchemaVersion: tail.version, By: tail.by, Producer: tail.producer, Derivation: tail.derivation,
	}
	return f.Clone()
}

// MarshalJSON writes the fact as logs and the HTTP side do; the zero Record is null.
func (r Record) MarshalJSON() ([]byte, error) {
	if r.data == nil {
		return []byte("null"), nil
	}
	f := r.Fact()
	return wire.AppendFact(nil, &f), nil
}

// A recordTail is the optional fields at the end of a record.
type recordTail struct {
	valid, transaction   time.Time
	version              int
	by                   string
	producer, derivation json.RawMessage
}

func (r Record) tail() recordTail {
	t := recordTail{version: 1}
	flags := r.data[atFlags]
	rest := r.data[r.tailStart():]
	number := func() (n uint32) {
		n, rest = binary.LittleEndian.Uint32(rest), rest[4:]
		return n
	}
	moment := func() time.Time {
		sec := int64(binary.LittleEndian.Uint64(rest))
		rest = rest[8:]
		return time.Unix(sec, int64(number())).UTC()
	}
	text := func() (b []byte) {
		n := number()
		if n&interned != 0 {
			return r.space.writers.text(n &^ interned)
		}
		b, rest = rest[:n:n], rest[n:]
		return b
	}
	if flags&flagValid != 0 {
		t.valid = moment()
	}
	if flags&flagWide != 0 {
		t.transaction = moment()
	}
	if flags&flagVersion != 0 {
		t.version = int(number())
	}
	if flags&flagWriter != 0 {
		t.by, t.producer = splitWriter(text())
	}
	if flags&flagDerivation != 0 {
		t.derivation = text()
	}
	return t
}

func (r Record) u64(at int) uint64 {
	if r.data == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(r.data[at:])
}

// number returns the number of the key.
func (r Record) number() uint32 { return binary.LittleEndian.Uint32(r.data[atKey:]) }

func (r Record) depth() uint32 {
	if r.data == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(r.data[atDepth:])
}

// prev and jump return the zero Record where none exists.
func (r Record) prev() Record { return r.space.record(ref(r.u64(atPrev))) }
func (r Record) jump() Record { return r.space.record(ref(r.u64(atJump))) }

func (r Record) valueStart() int { return atTexts + int(binary.LittleEndian.Uint16(r.data[atText:])) }
func (r Record) valueEnd() int {
	return r.valueStart() + int(binary.LittleEndian.Uint32(r.data[atValue:]))
}

func (r Record) idText() []byte {
	start := r.valueEnd()
	return r.data[start : start+int(r.data[atFlags+1])]
}

func (r Record) tailStart() int {
	return r.valueEnd() + int(r.data[atFlags+1]) + int(r.data[atFlags+2]) + int(r.data[atFlags+3])
}

// asString returns b as a string that shares its memory, which never changes.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
