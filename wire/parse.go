package wire

import (
	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// ParseFact parses a fact that this codec wrote and a CRC covered: a frame's body from a log or a
// server's stream. One in the form of [AppendFact] is parsed without looking into its value;
// anything else falls back to the parser of [CheckFact]. For every fact that a writer of ours can
// have written, the result is that of CheckFact. Bytes from anywhere else go to CheckFact: what
// begins like our form is taken for it here, so that damage inside a value, producer or derivation,
// or keys behind the value, go unnoticed.
//
// The fact shares body's memory, which must not change as long as the fact is in use. What is no
// fact is a *backend.InvalidError.
func ParseFact(body []byte) (backend.Fact, error) {
	var f backend.Fact
	if parseOwn(body, &f) {
		return f, nil
	}
	return CheckFact(body)
}

// Seq returns the seq of a fact in the form of [AppendFact], without a look at the rest of it; 0 for
// one without a seq, and for what is no such fact.
func Seq(body []byte) uint64 {
	if !has(body, 0, `{"seq":`) {
		return 0
	}
	seq := uint64(0)
	for _, b := range body[len(`{"seq":`):] {
		if b-'0' >= 10 {
			break
		}
		seq = seq*10 + uint64(b-'0')
	}
	return seq
}

// parseOwn parses the form of AppendFact. It reports false, with f in any state, for every other.
func parseOwn(body []byte, f *backend.Fact) bool {
	if len(body) < len(`{"seq":`) || string(body[:len(`{"seq":`)]) != `{"seq":` || body[len(body)-1] != '}' {
		return false
	}
	i := len(`{"seq":`)
	start := i
	for i < len(body) && body[i]-'0' < 10 {
		i++
	}
	var ok bool
	if f.Seq, ok = jsonvalue.ParseUint(body[start:i]); !ok || f.Seq == 0 {
		return false
	}
	return ownRest(body, i, `,"id":"`, f)
}

// checkOwn parses the form in which a fact is sent to be written: that of AppendFact without a seq. It
// looks at every byte, and reports false, with f in any state, for another form and for what is no fact.
func checkOwn(body []byte, f *backend.Fact) bool {
	if len(body) == 0 || body[len(body)-1] != '}' || !ownRest(body, 0, `{"id":"`, f) {
		return false
	}
	for _, v := range [...][]byte{f.Value, f.Producer, f.Derivation} {
		if v != nil && jsonvalue.Check(v, maxBodyDepth-1) != nil {
			return false
		}
	}
	return true
}

// ownRest parses the form of AppendFact from the ID on, whose key and quotes are prefix.
func ownRest(body []byte, i int, prefix string, f *backend.Fact) bool {
	var ok bool
	if f.ID, i, ok = ownText(body, i, prefix); !ok {
		return false
	}
	if f.Store, i, ok = ownText(body, i, `,"store":"`); !ok {
		return false
	}
	if f.Key, i, ok = ownText(body, i, `,"key":"`); !ok {
		return false
	}
	if has(body, i, `,"causation":"`) {
		if f.Causation, i, ok = ownText(body, i, `,"causation":"`); !ok || f.Causation == "" {
			return false
		}
	}
	if has(body, i, `,"transaction_time":`) {
		i += len(`,"transaction_time":`)
		end := numberEnd(body, i)
		if f.TransactionTime, ok = parseTime(body[i:end]); !ok {
			return false
		}
		i = end
	}
	if has(body, i, `,"valid_time":`) {
		i += len(`,"valid_time":`)
		end := numberEnd(body, i)
		if f.ValidTime, ok = parseTime(body[i:end]); !ok {
			return false
		}
		i = end
	}
	f.SchemaVersion = 1
	if has(body, i, `,"schema_version":`) {
		i += len(`,"schema_version":`)
		end := numberEnd(body, i)
		if f.SchemaVersion, ok = parseVersion(body[i:end]); !ok {
			return false
		}
		i = end
	}
	if has(body, i, `,"value_hash":"`) {
		if f.ValueHash, i, ok = ownText(body, i, `,"value_hash":"`); !ok || f.ValueHash == "" {
			return false
		}
	}
	if !has(body, i, `,"value":`) {
		if i, ok = ownSources(body, i, f); !ok {
			return false
		}
	}
	i += len(`,"value":`)
	f.Value = body[i : len(body)-1 : len(body)-1]
	return plausible(f.Value)
}

// ownSources parses what may stand between value_hash and value, and wants value after it.
func ownSources(body []byte, i int, f *backend.Fact) (int, bool) {
	var ok bool
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
	return i, has(body, i, `,"value":`)
}

func has(body []byte, i int, prefix string) bool {
	return len(body)-i >= len(prefix) && string(body[i:i+len(prefix)]) == prefix
}

// ownText parses a string whose opening quote ends prefix, if there are no escapes in it.
func ownText(body []byte, i int, prefix string) (s string, next int, ok bool) {
	if !has(body, i, prefix) {
		return "", i, false
	}
	return jsonvalue.PlainText(body, i+len(prefix))
}

// ownValue parses a value with others after it.
func ownValue(body []byte, i int) (v []byte, next int, ok bool) {
	end := jsonvalue.Skip(body, i)
	if end <= i || string(body[i:end]) == "null" || !plausible(body[i:end]) {
		return nil, i, false
	}
	return body[i:end:end], end, true
}

// plausible reports whether v begins and ends as a JSON value in a log does. Only what is neither
// array nor object is looked at whole.
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
	return !jsonvalue.IsSpace(v[0]) && !jsonvalue.IsSpace(v[len(v)-1]) && jsonvalue.Check(v, 0) == nil
}

func numberEnd(body []byte, i int) int {
	for i < len(body) && body[i] != ',' && body[i] != '}' {
		i++
	}
	return i
}

// parseVersion parses a schema version: a whole number, 0 standing for 1.
func parseVersion(text []byte) (int, bool) {
	n, ok := jsonvalue.ParseUint(text)
	return int(max(n, 1)), ok && n <= 1<<31-1
}
