package wire

import (
	"strconv"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// AppendFact appends f in the form of logs: the keys in our order, those that are null left out,
// value last. A Seq of 0 is left out too. f must be valid ([backend.Fact.Validate]); an empty
// Value is written as null. It allocates nothing where dst has room.
func AppendFact(dst []byte, f *backend.Fact) []byte {
	dst = appendSeq(dst, f.Seq)
	dst = appendName(dst, f)
	dst = appendPlace(dst, f)
	return appendContent(dst, f)
}

// A EncodedFact is a fact encoded but for what only the log knows: Seq, Causation and TransactionTime.
// Writers encode drafts side by side, and the one who numbers facts puts the pieces together.
// The zero EncodedFact is ready for Encode.
type EncodedFact struct {
	buf     []byte
	content int // where the part after the transaction time begins
}

// Encode makes d the draft of f, which must be valid. It uses d's memory again.
func (d *EncodedFact) Encode(f *backend.Fact) {
	d.buf = appendName(d.buf[:0], f)
	d.content = len(d.buf)
	d.buf = appendContent(d.buf, f)
}

// Append appends the drafted fact with the Seq, Causation and TransactionTime of f, byte for byte
// as [AppendFact] would append f with all its fields.
func (d *EncodedFact) Append(dst []byte, f *backend.Fact) []byte {
	dst = appendSeq(dst, f.Seq)
	dst = append(dst, d.buf[:d.content]...)
	dst = appendPlace(dst, f)
	return append(dst, d.buf[d.content:]...)
}

func appendSeq(dst []byte, seq uint64) []byte {
	dst = append(dst, '{')
	if seq != 0 {
		dst = append(dst, `"seq":`...)
		dst = strconv.AppendUint(dst, seq, 10)
		dst = append(dst, ',')
	}
	return dst
}

func appendName(dst []byte, f *backend.Fact) []byte {
	dst = append(dst, `"id":"`...)
	dst = jsonvalue.AppendText(dst, f.ID)
	dst = append(dst, `","store":"`...)
	dst = jsonvalue.AppendText(dst, f.Store)
	dst = append(dst, `","key":"`...)
	dst = jsonvalue.AppendText(dst, f.Key)
	return append(dst, '"')
}

func appendPlace(dst []byte, f *backend.Fact) []byte {
	if f.Causation != "" {
		dst = append(dst, `,"causation":"`...)
		dst = jsonvalue.AppendText(dst, f.Causation)
		dst = append(dst, '"')
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
		dst = append(dst, `,"value_hash":"`...)
		dst = jsonvalue.AppendText(dst, f.ValueHash)
		dst = append(dst, '"')
	}
	if f.Producer != nil {
		dst = append(dst, `,"producer":`...)
		dst = jsonvalue.AppendValue(dst, f.Producer)
	}
	if f.Derivation != nil {
		dst = append(dst, `,"derivation":`...)
		dst = jsonvalue.AppendValue(dst, f.Derivation)
	}
	dst = append(dst, `,"value":`...)
	dst = jsonvalue.AppendValue(dst, f.Value)
	return append(dst, '}')
}
