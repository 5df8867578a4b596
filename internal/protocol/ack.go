// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// An Ack is a server's answer to a written fact.
type Ack struct {
	Seq             uint64
	Causation       string
	TransactionTime time.Time
	By              string // as the log holds it; "": the fact has none

	Duplicate bool // the log held the fact before, or does not know whether it did

	// Fact is the fact that the log holds, if it is a duplicate and may differ from the fact that was sent; otherwise nil.
	// SameValue reports that only the values are known to be equal; the value is then left out on the wire.
	Fact      *backend.Fact
	SameValue bool
}

// AckOf returns the ack of a fact as the log holds it.
func AckOf(f *backend.Fact, duplicate bool) Ack {
	a := Ack{Seq: f.Seq, Causation: f.Causation, TransactionTime: f.TransactionTime, By: f.By, Duplicate: duplicate}
	if duplicate {
		a.Fact = f
	}
	return a
}

// DuplicateOf returns the ack of given, whose ID the log already has in held. It leaves out the whole fact or its value if
// that does not differ.
func DuplicateOf(held, given *backend.Fact) Ack {
	a := AckOf(held, true)
	a.SameValue = sameJSON(held.Value, given.Value)
	if a.SameValue && sameJSON(held.Producer, given.Producer) && sameJSON(held.Derivation, given.Derivation) &&
		held.By == given.By && held.ValidTime.Equal(given.ValidTime) && max(held.SchemaVersion, 1) == max(given.SchemaVersion, 1) {
		a.Fact, a.SameValue = nil, false
	}
	return a
}

// sameJSON reports whether two values are the same but for the white space around them; nil and null are the same.
func sameJSON(a, b []byte) bool {
	a, b = jsonvalue.TrimSpace(a), jsonvalue.TrimSpace(b)
	return bytes.Equal(a, b) || (len(a) == 0 || jsonvalue.IsNull(a)) && (len(b) == 0 || jsonvalue.IsNull(b))
}

// FirstOf returns the First of a [backend.Written]: the lowest seq of an ack that is not a duplicate; 0 if
// all are duplicates.
func FirstOf(acks []Ack) (first uint64) {
	for _, a := range acks {
		if !a.Duplicate && a.Fact == nil && (first == 0 || a.Seq < first) {
			first = a.Seq
		}
	}
	return first
}

// In returns the fact that the log holds after f was written.
func (a Ack) In(f backend.Fact) backend.Fact {
	if a.Fact != nil {
		value := f.Value
		if f = *a.Fact; a.SameValue {
			f.Value = value
		}
		return f
	}
	f.Seq, f.Causation, f.TransactionTime, f.By = a.Seq, a.Causation, a.TransactionTime, a.By
	return f
}

// AppendWritten appends the answer to a written fact.
func AppendWritten(dst []byte, a Ack, id []byte) []byte {
	return CloseAnswer(appendAck(append(OpenAnswer(dst), ','), a), id)
}

// AppendWrittenBatch appends the answer to a written batch.
func AppendWrittenBatch(dst []byte, acks []Ack, id []byte) []byte {
	dst = append(OpenAnswer(dst), `,"facts":[`...)
	for i, a := range acks {
		dst = append(appendAck(append(appendComma(dst, i), '{'), a), '}')
	}
	return CloseAnswer(append(dst, ']'), id)
}

func appendAck(dst []byte, a Ack) []byte {
	dst = append(dst, `"seq":`...)
	dst = strconv.AppendUint(dst, a.Seq, 10)
	dst = appendTextOrNull(dst, "causation", a.Causation)
	dst = append(dst, `,"transaction_time":`...)
	dst = wire.AppendTime(dst, a.TransactionTime)
	if a.By != "" {
		dst = appendField(dst, "by", a.By)
	}
	if a.Duplicate {
		dst = append(dst, `,"duplicate":true`...)
	}
	if a.Fact != nil {
		f := *a.Fact
		if a.SameValue {
			f.Value = nil
			dst = append(dst, `,"same_value":true`...)
		}
		dst = wire.AppendFact(append(dst, `,"fact":`...), &f)
	}
	return dst
}

// ParseWritten parses the answer to a written fact.
func ParseWritten(body []byte) (Ack, error) {
	a, end, err := parseAck(body, 0, true)
	if err == nil {
		err = invalid("answer", jsonvalue.End(body, end))
	}
	if err != nil {
		return Ack{}, err
	}
	return a, nil
}

// parseAck parses the ack that begins at body[i], checks every byte, and returns the position after it.
// If it is a whole answer, it must say that the request was done.
func parseAck(body []byte, i int, answer bool) (a Ack, end int, err error) {
	done := !answer
	end, err = jsonvalue.Object(body, i, func(name string, at int) (int, error) {
		end, err := jsonvalue.Value(body, at, maxDepth)
		if err != nil {
			return end, err
		}
		switch v := body[at:end:end]; name {
		case "ok":
			done = string(v) == "true"
		case "seq":
			var ok bool
			if a.Seq, ok = jsonvalue.ParseUint(v); !ok {
				err = &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is not a position in a log"}
			}
		case "causation":
			if string(v) != "null" {
				a.Causation, err = text(name, v)
			}
		case "transaction_time":
			a.TransactionTime, err = parseTime(name, v)
		case "by":
			a.By, err = text(name, v)
		case "duplicate":
			a.Duplicate = string(v) == "true"
		case "same_value":
			a.SameValue = string(v) == "true"
		case "fact":
			var f backend.Fact
			f, _, err = wire.ReadFact(v, 0)
			a.Fact = &f
		}
		return end, err
	})
	if err == nil && !done {
		err = ParseAnswer(body, nil)
	}
	if err == nil && a.Seq == 0 {
		err = &backend.InvalidError{Field: "seq", Reason: "missing in an answer"}
	}
	return a, end, invalid("answer", err)
}

// ParseWrittenBatch parses the answer to a batch of n facts that was written.
func ParseWrittenBatch(body []byte, n int) ([]Ack, error) {
	acks := make([]Ack, 0, n)
	err := parseFacts(body, func(at int) (int, error) {
		a, end, err := parseAck(body, at, false)
		acks = append(acks, a)
		return end, err
	})
	if err == nil && len(acks) != n {
		err = &backend.InvalidError{Field: "facts", Reason: fmt.Sprintf("an answer about %d facts instead of %d", len(acks), n)}
	}
	if err != nil {
		return nil, err
	}
	return acks, nil
}
