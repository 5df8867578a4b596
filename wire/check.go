package wire

import (
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
)

// maxBodyDepth is how deep a body from elsewhere may be nested: a value of a fact within a message.
// Deeper values are for Validate to refuse, with a better error.
const maxBodyDepth = backend.MaxDepth + 10

// CheckFact parses a fact from any source, looking at every byte: keys in any order, unknown ones
// ignored, missing ones (and null) taken for not given; a missing value is null. timestamp and
// term are read as old names of transaction_time and valid_time. What is not JSON as facts hold it
// ([backend.CheckJSON]), not an object, lacks id, store or key, or has a field of the wrong type is
// a *backend.InvalidError. The limits of a fact are for [backend.Fact.Validate] to check.
//
// The fact shares body's memory, which must not change as long as the fact is in use.
func CheckFact(body []byte) (backend.Fact, error) {
	if err := backend.CheckJSON(body, maxBodyDepth); err != nil {
		return backend.Fact{}, &backend.InvalidError{Field: "fact", Reason: err.Error()}
	}
	return parseAny(TrimSpace(body))
}

// checkFact is CheckFact for a fact whose value must not be missing.
func checkFact(body []byte) (backend.Fact, error) {
	var f backend.Fact
	if checkOwn(body, &f) {
		return f, nil
	}
	if err := backend.CheckJSON(body, maxBodyDepth); err != nil {
		return backend.Fact{}, &backend.InvalidError{Field: "fact", Reason: err.Error()}
	}
	return parseWhole(TrimSpace(body))
}

// parseAny parses a fact from a body that is well-formed JSON without space around it. A missing value
// is null.
func parseAny(body []byte) (backend.Fact, error) {
	f, err := parseMembers(body)
	if err == nil && f.Value == nil {
		f.Value = []byte("null")
	}
	return f, err
}

// parseWhole is parseAny for a fact whose value must not be missing.
func parseWhole(body []byte) (backend.Fact, error) {
	f, err := parseMembers(body)
	if err == nil && f.Value == nil {
		return backend.Fact{}, &backend.InvalidError{Field: "value", Reason: "missing: a fact has a JSON value, and null retracts"}
	}
	return f, err
}

func parseMembers(body []byte) (backend.Fact, error) {
	f := backend.Fact{SchemaVersion: 1}
	if body[0] != '{' {
		return backend.Fact{}, &backend.InvalidError{Field: "fact", Reason: "not a JSON object"}
	}
	var present struct{ id, store, key bool }
	var oldTransaction, oldValid time.Time
	var err error
	for name, v := range members(body) {
		if name == "value" {
			f.Value = v
		}
		if string(v) == "null" {
			continue
		}
		switch name {
		case "seq":
			var ok bool
			if f.Seq, ok = parseUint(v); !ok {
				err = &backend.InvalidError{Field: name, Reason: quote(v) + " is no place in a log"}
			}
		case "id":
			present.id = true
			f.ID, err = text(name, v)
		case "store":
			present.store = true
			f.Store, err = text(name, v)
		case "key":
			present.key = true
			f.Key, err = text(name, v)
		case "value_hash":
			f.ValueHash, err = text(name, v)
		case "causation":
			f.Causation, err = text(name, v)
		case "transaction_time":
			f.TransactionTime, err = parseTimeOf(name, v)
		case "timestamp":
			oldTransaction, err = parseTimeOf(name, v)
		case "valid_time":
			f.ValidTime, err = parseTimeOf(name, v)
		case "term":
			oldValid, err = parseTimeOf(name, v)
		case "schema_version":
			var ok bool
			if f.SchemaVersion, ok = parseVersion(v); !ok {
				err = &backend.InvalidError{Field: name, Reason: quote(v) + " is not from 1 to 2147483647"}
			}
		case "producer":
			f.Producer = v
		case "derivation":
			f.Derivation = v
		}
		if err != nil {
			return backend.Fact{}, err
		}
	}
	if f.TransactionTime.IsZero() {
		f.TransactionTime = oldTransaction
	}
	if f.ValidTime.IsZero() {
		f.ValidTime = oldValid
	}
	for _, field := range []struct {
		name string
		ok   bool
	}{{"id", present.id}, {"store", present.store}, {"key", present.key}} {
		if !field.ok {
			return backend.Fact{}, &backend.InvalidError{Field: field.name, Reason: "missing"}
		}
	}
	return f, nil
}

// members yields the keys and values of an object that is well-formed.
func members(object []byte) func(yield func(name string, value []byte) bool) {
	return func(yield func(string, []byte) bool) {
		i := skipSpace(object, 1)
		for object[i] != '}' {
			end := stringEnd(object, i+1)
			name := unquoted(object[i+1 : end-1])
			i = skipSpace(object, skipSpace(object, end)+1)
			end = valueEnd(object, i)
			if !yield(name, object[i:end:end]) {
				return
			}
			if i = skipSpace(object, end); object[i] == ',' {
				i = skipSpace(object, i+1)
			}
		}
	}
}

// elements yields the places and the elements of an array that is well-formed; nothing for another value.
func elements(array []byte) func(yield func(i int, value []byte) bool) {
	return func(yield func(int, []byte) bool) {
		if len(array) == 0 || array[0] != '[' {
			return
		}
		at := skipSpace(array, 1)
		for i := 0; array[at] != ']'; i++ {
			end := valueEnd(array, at)
			if !yield(i, array[at:end:end]) {
				return
			}
			if at = skipSpace(array, end); array[at] == ',' {
				at = skipSpace(array, at+1)
			}
		}
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// unquoted returns what the text of a well-formed string stands for; without escapes it shares
// the text's memory.
func unquoted(src []byte) string {
	for _, b := range src {
		if b == '\\' {
			return string(backend.AppendUnescaped(make([]byte, 0, len(src)), src))
		}
	}
	return view(src)
}

func text(name string, v []byte) (string, error) {
	if v[0] != '"' {
		return "", &backend.InvalidError{Field: name, Reason: quote(v) + " is not a string"}
	}
	return unquoted(v[1 : len(v)-1]), nil
}

func parseTimeOf(name string, v []byte) (time.Time, error) {
	t, ok := parseTime(v)
	if !ok {
		return t, badTime(name, v)
	}
	return t, nil
}

// quote returns at most 64 bytes of v for an error's text.
func quote(v []byte) string {
	if len(v) > 64 {
		return strconv.Quote(string(v[:64])) + "..."
	}
	return strconv.Quote(string(v))
}
