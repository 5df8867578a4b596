package wire

import (
	"strconv"

	"github.com/igniter-store/igniter/backend"
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

// A Draft is a fact encoded but for what only the log knows: Seq, Causation and TransactionTime.
// Writers encode drafts side by side, and the one who numbers facts puts the pieces together.
// The zero Draft is ready for Encode.
type Draft struct {
	buf     []byte
	content int // where the part after the transaction time begins
}

// Encode makes d the draft of f, which must be valid. It uses d's memory again.
func (d *Draft) Encode(f *backend.Fact) {
	d.buf = appendName(d.buf[:0], f)
	d.content = len(d.buf)
	d.buf = appendContent(d.buf, f)
}

// Append appends the drafted fact with the Seq, Causation and TransactionTime of f, byte for byte
// as [AppendFact] would append f with all its fields.
func (d *Draft) Append(dst []byte, f *backend.Fact) []byte {
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
	dst = appendText(dst, f.ID)
	dst = append(dst, `","store":"`...)
	dst = appendText(dst, f.Store)
	dst = append(dst, `","key":"`...)
	dst = appendText(dst, f.Key)
	return append(dst, '"')
}

func appendPlace(dst []byte, f *backend.Fact) []byte {
	if f.Causation != "" {
		dst = append(dst, `,"causation":"`...)
		dst = appendText(dst, f.Causation)
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
		dst = appendText(dst, f.ValueHash)
		dst = append(dst, '"')
	}
	if f.Producer != nil {
		dst = append(dst, `,"producer":`...)
		dst = appendValue(dst, f.Producer)
	}
	if f.Derivation != nil {
		dst = append(dst, `,"derivation":`...)
		dst = appendValue(dst, f.Derivation)
	}
	dst = append(dst, `,"value":`...)
	dst = appendValue(dst, f.Value)
	return append(dst, '}')
}

// AppendFactV1 appends f in the form of protocol version 1: every key, nulls too, in the order of
// the Ruby system, and no seq. f must be valid; an empty Value is written as null.
func AppendFactV1(dst []byte, f *backend.Fact) []byte {
	dst = append(dst, '{')
	dst = appendName(dst, f)
	dst = append(dst, `,"value":`...)
	dst = appendValue(dst, f.Value)
	dst = append(dst, `,"value_hash":`...)
	dst = appendTextOrNull(dst, f.ValueHash)
	dst = append(dst, `,"causation":`...)
	dst = appendTextOrNull(dst, f.Causation)
	dst = append(dst, `,"transaction_time":`...)
	if f.TransactionTime.IsZero() {
		dst = append(dst, "null"...)
	} else {
		dst = AppendTime(dst, f.TransactionTime)
	}
	dst = append(dst, `,"valid_time":`...)
	if f.ValidTime.IsZero() {
		dst = append(dst, "null"...)
	} else {
		dst = AppendTime(dst, f.ValidTime)
	}
	dst = append(dst, `,"schema_version":`...)
	dst = strconv.AppendInt(dst, int64(max(f.SchemaVersion, 1)), 10)
	dst = append(dst, `,"producer":`...)
	dst = appendValue(dst, f.Producer)
	dst = append(dst, `,"derivation":`...)
	dst = appendValue(dst, f.Derivation)
	return append(dst, '}')
}

func appendTextOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = appendText(dst, s)
	return append(dst, '"')
}

// appendValue appends a JSON value without the white space around it; null for none.
func appendValue(dst, v []byte) []byte {
	if v = TrimSpace(v); len(v) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, v...)
}

// TrimSpace returns v without the JSON white space around it, which is no part of a value.
func TrimSpace(v []byte) []byte {
	for len(v) > 0 && isSpace(v[0]) {
		v = v[1:]
	}
	for len(v) > 0 && isSpace(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	return v
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }
