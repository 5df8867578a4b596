// SPDX-License-Identifier: Apache-2.0

package query

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// AppendLine appends a fact as logs have it, on one line.
func AppendLine(dst []byte, f *backend.Fact) []byte {
	start := len(dst)
	dst = wire.AppendFact(dst, f)
	if bytes.ContainsAny(dst[start:], "\r\n") { // there is white space in a value
		var line bytes.Buffer
		if json.Compact(&line, dst[start:]) == nil {
			dst = append(dst[:start], line.Bytes()...)
		}
	}
	return dst
}

// AppendFact is [AppendLine] with the fact's times as text, too: "time" and "valid". JavaScript
// and jq would round the numbers.
func AppendFact(dst []byte, f *backend.Fact) []byte { return appendFact(dst, f, 0, "") }

// ParseFact parses a line that [AppendFact] wrote, or a fact with fewer members, to be written. A mistake is a
// *backend.InvalidError. So is a line without a value, since the fact would delete its key, and a line of an answer
// that left the value out. The fact shares the line's memory.
func ParseFact(line []byte) (backend.Fact, error) {
	f, err := wire.CheckFact(line)
	if err != nil || !f.Retraction() {
		return f, err
	}
	switch {
	case jsonvalue.Member(line, "value") == nil:
		err = &backend.InvalidError{Field: "value", Reason: "missing; null deletes the key"}
	case jsonvalue.Member(line, "value_bytes") != nil:
		err = &backend.InvalidError{Field: "value", Reason: "left out of this line, which has its size as value_bytes: read the fact by its ID"}
	}
	return f, err
}

// appendFact is AppendFact with the size of a value that was left out, and with more members, which begin with a comma.
func appendFact(dst []byte, f *backend.Fact, valueBytes int, more string) []byte {
	if valueBytes > 0 {
		g := *f
		g.Value = nil
		f = &g
	}
	dst = AppendLine(dst, f)
	dst = dst[:len(dst)-1]
	dst = appendTime(append(dst, `,"time":`...), f.TransactionTime)
	if !f.ValidTime.IsZero() {
		dst = appendTime(append(dst, `,"valid":`...), f.ValidTime)
	}
	if valueBytes > 0 {
		dst = strconv.AppendInt(append(dst, `,"value_bytes":`...), int64(valueBytes), 10)
	}
	return append(append(dst, more...), '}')
}

func appendTime(dst []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

// MarshalJSON writes the fact, and the version.
func (r Record) MarshalJSON() ([]byte, error) {
	return appendFact(nil, &r.Fact, r.ValueBytes, `,"version":`+strconv.FormatUint(r.Version, 10)), nil
}

// MarshalJSON writes the fact, and what it changed.
func (v Version) MarshalJSON() ([]byte, error) { return v.Append(nil), nil }

// Append appends the JSON of v, on one line.
func (v *Version) Append(dst []byte) []byte {
	if v.Kind == "" {
		return appendFact(dst, &v.Fact, v.ValueBytes, "")
	}
	type plain Version                   // without MarshalJSON
	more, _ := json.Marshal((*plain)(v)) // of JSON from a log: it can't fail
	return appendFact(dst, &v.Fact, v.ValueBytes, ","+string(more[1:len(more)-1]))
}

// MarshalJSON writes the fact, and how far away it is.
func (r FactRef) MarshalJSON() ([]byte, error) {
	return appendFact(nil, &r.Fact, r.ValueBytes, `,"depth":`+strconv.Itoa(r.Depth)), nil
}
