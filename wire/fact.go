// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"slices"
	"strconv"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// AppendFact appends f in the form of logs: keys in the order of the package's comment, null ones left
// out, value last. A Seq of 0 is left out too. f must be valid ([backend.Fact.Validate]); an empty
// Value is written as null. It allocates nothing if dst has room.
func AppendFact(dst []byte, f *backend.Fact) []byte {
	dst = appendSeq(dst, f.Seq)
	dst = appendName(dst, f)
	dst = appendAssigned(dst, f)
	return appendContent(dst, f)
}

// An EncodedFact is a fact encoded except for the fields that only the log knows: Seq, Causation and
// TransactionTime. Writers encode their facts concurrently, and the goroutine that numbers the facts
// puts the parts together. A large fact is not copied before that. The zero EncodedFact is ready for Encode.
type EncodedFact struct {
	buf     []byte // empty: the fact is large, and encoded by Append
	content int    // the position of the part after the transaction time
}

// maxEncoded limits the JSON values of a fact that Encode encodes. Copying larger ones twice would take more time and
// memory.
const maxEncoded = 64 << 10

// maxRest is the room that is allocated for a large fact beside its JSON values. The fact may take more.
const maxRest = 8 << 10

// Encode encodes f, which must be valid. It reuses e's memory.
func (e *EncodedFact) Encode(f *backend.Fact) {
	if len(f.Value)+len(f.Producer)+len(f.Derivation) > maxEncoded {
		e.buf = e.buf[:0]
		return
	}
	e.buf = appendName(e.buf[:0], f)
	e.content = len(e.buf)
	e.buf = appendContent(e.buf, f)
}

// Append appends the encoded fact with the Seq, Causation and TransactionTime of f. In its other fields f must equal the
// fact given to Encode. Append appends the same bytes as [AppendFact] for f.
func (e *EncodedFact) Append(dst []byte, f *backend.Fact) []byte {
	if len(e.buf) == 0 {
		return AppendFact(slices.Grow(dst, len(f.Value)+len(f.Producer)+len(f.Derivation)+maxRest), f)
	}
	dst = appendSeq(dst, f.Seq)
	dst = append(dst, e.buf[:e.content]...)
	dst = appendAssigned(dst, f)
	return append(dst, e.buf[e.content:]...)
}

func appendSeq(dst []byte, seq uint64) []byte {
	if seq == 0 {
		return append(dst, '{')
	}
	dst = append(dst, seqPrefix...)
	dst = strconv.AppendUint(dst, seq, 10)
	return append(dst, ',')
}

func appendName(dst []byte, f *backend.Fact) []byte {
	dst = append(dst, `"id":`...)
	dst = jsonvalue.AppendText(dst, f.ID)
	dst = append(dst, `,"store":`...)
	dst = jsonvalue.AppendText(dst, f.Store)
	dst = append(dst, `,"key":`...)
	return jsonvalue.AppendText(dst, f.Key)
}

func appendAssigned(dst []byte, f *backend.Fact) []byte {
	if f.Causation != "" {
		dst = append(dst, `,"causation":`...)
		dst = jsonvalue.AppendText(dst, f.Causation)
	}
	if !f.TransactionTime.IsZero() {
		dst = append(dst, `,"transaction_time":`...)
		dst = AppendTime(dst, f.TransactionTime)
	}
	return dst
}

func appendContent(dst []byte, f *backend.Fact) []byte {
	if !f.ValidTime.IsZero() {
		dst = append(dst, `,"valid_time":`...)
		dst = AppendTime(dst, f.ValidTime)
	}
	if f.SchemaVersion > 1 {
		dst = append(dst, `,"schema_version":`...)
		dst = strconv.AppendInt(dst, int64(f.SchemaVersion), 10)
	}
	if f.ValueHash != "" {
		dst = append(dst, `,"value_hash":`...)
		dst = jsonvalue.AppendText(dst, f.ValueHash)
	}
	if f.By != "" {
		dst = append(dst, `,"by":`...)
		dst = jsonvalue.AppendText(dst, f.By)
	}
	if f.Producer != nil {
		dst = append(dst, `,"producer":`...)
		dst = jsonvalue.AppendValue(dst, f.Producer)
	}
	if f.Derivation != nil {
		dst = append(dst, `,"derivation":`...)
		dst = jsonvalue.AppendValue(dst, f.Derivation)
	}
	dst = append(dst, valuePrefix...)
	dst = jsonvalue.AppendValue(dst, f.Value)
	return append(dst, '}')
}
