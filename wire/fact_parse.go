// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// ParseFact parses a fact that this codec wrote and a CRC covered: a frame's body from a log or a
// server's stream. A fact in the form of [AppendFact] is parsed without reading its value; any other fact is parsed by
// [CheckFact]. For every fact that this codec can have written, the result is the same as CheckFact's. Use CheckFact for
// bytes from anywhere else: ParseFact does not notice damage inside a value, producer or derivation, or keys after the
// value.
//
// The fact shares body's memory, which must not change as long as the fact is in use. Bytes that are
// not a fact are a *backend.InvalidError.
func ParseFact(body []byte) (backend.Fact, error) {
	var f backend.Fact
	if parseOwn(body, &f) {
		return f, nil
	}
	return CheckFact(body)
}

// Seq returns the seq of a fact in the form of [AppendFact], without reading the rest of it; 0 if the
// fact has no seq, or if body is not such a fact.
func Seq(body []byte) uint64 {
	if !has(body, 0, seqPrefix) {
		return 0
	}
	seq := uint64(0)
	for _, b := range body[len(seqPrefix):] {
		if b-'0' >= 10 {
			break
		}
		seq = seq*10 + uint64(b-'0')
	}
	return seq
}

const seqPrefix = `{"seq":`

// parseOwn parses the form of AppendFact. It reports false, with f in any state, for every other form.
func parseOwn(body []byte, f *backend.Fact) bool {
	if !has(body, 0, seqPrefix) || body[len(body)-1] != '}' {
		return false
	}
	end := numberEnd(body, len(seqPrefix))
	var ok bool
	if f.Seq, ok = jsonvalue.ParseUint(body[len(seqPrefix):end]); !ok || f.Seq == 0 {
		return false
	}
	at, ok := ownFields(body, end, `,"id":"`, f)
	if !ok {
		return false
	}
	f.Value = body[at : len(body)-1 : len(body)-1]
	return plausible(f.Value)
}

// ownFields parses the form of AppendFact from the ID, which prefix introduces, to the value, and
// returns the position where the value begins.
func ownFields(body []byte, i int, prefix string, f *backend.Fact) (at int, ok bool) {
	if f.ID, i, ok = ownText(body, i, prefix); !ok {
		return i, false
	}
	if f.Store, i, ok = ownText(body, i, `,"store":"`); !ok {
		return i, false
	}
	if f.Key, i, ok = ownText(body, i, `,"key":"`); !ok {
		return i, false
	}
	if has(body, i, `,"causation":"`) {
		if f.Causation, i, ok = ownText(body, i, `,"causation":"`); !ok || f.Causation == "" {
			return i, false
		}
	}
	if has(body, i, `,"transaction_time":`) {
		i += len(`,"transaction_time":`)
		end := numberEnd(body, i)
		if f.TransactionTime, ok = parseTime(body[i:end]); !ok {
			return i, false
		}
		i = end
	}
	if has(body, i, `,"valid_time":`) {
		i += len(`,"valid_time":`)
		end := numberEnd(body, i)
		if f.ValidTime, ok = parseTime(body[i:end]); !ok {
			return i, false
		}
		i = end
	}
	f.SchemaVersion = 1
	if has(body, i, `,"schema_version":`) {
		i += len(`,"schema_version":`)
		end := numberEnd(body, i)
		if f.SchemaVersion, ok = parseVersion(body[i:end]); !ok {
			return i, false
		}
		i = end
	}
	if has(body, i, `,"value_hash":"`) {
		if f.ValueHash, i, ok = ownText(body, i, `,"value_hash":"`); !ok || f.ValueHash == "" {
			return i, false
		}
	}
	if !has(body, i, valuePrefix) {
		if i, ok = ownWriter(body, i, f); !ok {
			return i, false
		}
	}
	return i + len(valuePrefix), true
}

const valuePrefix = `,"value":`

// ownWriter parses by, producer and derivation. The next key must be value.
func ownWriter(body []byte, i int, f *backend.Fact) (int, bool) {
	var ok bool
	if has(body, i, `,"by":"`) {
		if f.By, i, ok = ownText(body, i, `,"by":"`); !ok || f.By == "" {
			return i, false
		}
	}
	if has(body, i, `,"producer":`) {
		if f.Producer, i, ok = ownValue(body, i+len(`,"producer":`)); !ok {
			return i, false
		}
	}
	if has(body, i, `,"derivation":`) {
		if f.Derivation, i, ok = ownValue(body, i+len(`,"derivation":`)); !ok {
			return i, false
		}
	}
	return i, has(body, i, valuePrefix)
}

func has(body []byte, i int, prefix string) bool {
	return len(body)-i >= len(prefix) && string(body[i:i+len(prefix)]) == prefix
}

// ownText parses a string whose opening quote ends prefix. It reports false if the string has escapes.
func ownText(body []byte, i int, prefix string) (s string, end int, ok bool) {
	if !has(body, i, prefix) {
		return "", i, false
	}
	return jsonvalue.PlainText(body, i+len(prefix))
}

// ownValue parses a value that is not the last one.
func ownValue(body []byte, i int) (v []byte, end int, ok bool) {
	end = jsonvalue.Skip(body, i)
	if end <= i || string(body[i:end]) == "null" || !plausible(body[i:end]) {
		return nil, i, false
	}
	return body[i:end:end], end, true
}

// plausible reports whether v begins and ends as a JSON value in a log does. Only a value that is
// neither array nor object is read whole.
func plausible(v []byte) bool {
	if len(v) == 0 {
		return false
	}
	switch last := v[len(v)-1]; v[0] {
	case '{':
		return last == '}' && len(v) > 1
	case '[':
		return last == ']' && len(v) > 1
	}
	end, err := jsonvalue.Value(v, 0, 0)
	return err == nil && end == len(v)
}

func numberEnd(body []byte, i int) int {
	for i < len(body) && body[i] != ',' && body[i] != '}' {
		i++
	}
	return i
}
