// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/uuidtext"
)

// A record in an arena, numbers in little endian:
//
//	 0 seq u64 | 8 transaction time, ns since 1970, i64 | 16 prev u64 | 24 jump u64
//	32 key u32 | 36 depth u32 | 40 value length u32
//	44 flags u8 | 45 ID length u8 | 46 hash length u8 | 47 causation length u8 | 48 key length u16
//	50 key text | value | ID | hash | causation
//	   then, where flags say so: valid time i64 s, u32 ns | transaction time likewise
//	   | schema version u32 | writer: length u32, bytes, or its number in writers with the
//	   highest bit set | derivation: length u32, bytes
//
// The fields that a current read needs come first, so that it touches few cache lines. key is the key's number.
//
// prev is the record of the key before this one, and depth the place of the record in this chain, counted from
// 1. jump leads further back, so that a search takes a number of steps that is logarithmic in the depth.
const (
	atSeq   = 0
	atTime  = 8
	atPrev  = 16
	atJump  = 24
	atKey   = 32
	atDepth = 36
	atValue = 40
	atFlags = 44
	atText  = 48
	atTexts = 50
)

const (
	flagUUID    = 1 << iota // the ID is a UUID, as its 16 bytes
	flagHex                 // the hash is lower-case hex, as its bytes
	flagPrev                // the causation is the ID of prev
	flagValid               // there is a valid time
	flagWide                // the transaction time does not fit 64 bits of ns
	flagVersion             // the schema version is not 1
	flagWriter              // there is a By or a Producer
	flagDerivation
)

// encode appends f's record without prev, jump, key and depth. prev is the record before it, or the zero
// Record.
func (s *namespace) encode(dst []byte, f *backend.Fact, prev Record) []byte {
	var flags byte
	start, from := len(dst), len(dst)
	dst = append(dst, make([]byte, atTexts)...)
	dst = append(dst, f.Key...)
	value := jsonvalue.TrimSpace(f.Value)
	dst = append(dst, value...)
	part := func() int { // the length of what was appended since the last call
		n := len(dst) - from
		from = len(dst)
		return n
	}
	part()
	if id, ok := uuidtext.Parse(f.ID); ok {
		flags |= flagUUID
		dst = append(dst, id[:]...)
	} else {
		dst = append(dst, f.ID...)
	}
	idLen := part()
	var sum [sha256.Size]byte
	if len(f.ValueHash) == 2*len(sum) && uuidtext.DecodeHex(sum[:], f.ValueHash) {
		flags |= flagHex
		dst = append(dst, sum[:]...)
	} else {
		dst = append(dst, f.ValueHash...)
	}
	hashLen := part()
	if f.Causation != "" && prev.hasID(f.Causation) {
		flags |= flagPrev
	} else {
		dst = append(dst, f.Causation...)
	}
	causeLen := part()
	if !f.ValidTime.IsZero() {
		flags |= flagValid
		dst = appendTime(dst, f.ValidTime)
	}
	nanos := f.TransactionTime.UnixNano()
	if !time.Unix(0, nanos).Equal(f.TransactionTime) {
		flags |= flagWide
		dst = appendTime(dst, f.TransactionTime)
	}
	if f.SchemaVersion > 1 {
		flags |= flagVersion
		dst = binary.LittleEndian.AppendUint32(dst, uint32(f.SchemaVersion))
	}
	if f.By != "" || len(f.Producer) > 0 {
		flags |= flagWriter
		writer := joinWriter(f)
		if n, ok := s.writers.intern(writer); ok {
			dst = binary.LittleEndian.AppendUint32(dst, n|interned)
		} else {
			dst = appendBytes(dst, writer)
		}
	}
	if f.Derivation != nil {
		flags |= flagDerivation
		dst = appendBytes(dst, f.Derivation)
	}
	head := dst[start:]
	binary.LittleEndian.PutUint64(head[atSeq:], f.Seq)
	binary.LittleEndian.PutUint64(head[atTime:], uint64(nanos))
	binary.LittleEndian.PutUint32(head[atValue:], uint32(len(value)))
	binary.LittleEndian.PutUint16(head[atText:], uint16(len(f.Key)))
	head[atFlags], head[atFlags+1], head[atFlags+2], head[atFlags+3] = flags, byte(idLen), byte(hashLen), byte(causeLen)
	return dst
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(t.Unix()))
	return binary.LittleEndian.AppendUint32(dst, uint32(t.Nanosecond()))
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
	return append(dst, b...)
}
