package wire

import (
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// maxBodyDepth is how deep a body from elsewhere may be nested: a value of a fact within a message.
// Deeper values are for Validate to refuse, with a better error.
const maxBodyDepth = backend.MaxDepth + 10

// CheckFact parses a fact from any source, looking at every byte: keys in any order, unknown ones
// ignored, missing ones (and null) taken for not given; a missing value is null. timestamp and
// term are read as old names of transaction_time and valid_time. What is not JSON as facts hold it
// ([jsonvalue.Check]), not an object, lacks id, store or key, or has a field of the wrong type is
// a *backend.InvalidError. The limits of a fact are for [backend.Fact.Validate] to check.
//
// The fact shares body's memory, which must not change as long as the fact is in use.
func CheckFact(body []byte) (backend.Fact, error) {
	if err := jsonvalue.Check(body, maxBodyDepth); err != nil {
		return backend.Fact{}, &backend.InvalidError{Field: "fact", Reason: err.Error()}
	}
	return ReadFact(jsonvalue.TrimSpace(body))
}

// CheckWhole is [CheckFact] for a fact whose value must not be missing.
func CheckWhole(body []byte) (backend.Fact, error) {
	var f backend.Fact
	if checkOwn(body, &f) {
		return f, nil
	}
	if err := jsonvalue.Check(body, maxBodyDepth); err != nil {
		return backend.Fact{}, &backend.InvalidError{Field: "fact", Reason: err.Error()}
	}
	return ReadWhole(jsonvalue.TrimSpace(body))
}

// ReadFact parses a fact from a body that is well-formed JSON without space around it. A missing value
// is null.
func ReadFact(body []byte) (backend.Fact, error) {
	f, err := parseMembers(body)
	if err == nil && f.Value == nil {
		f.Value = []byte("null")
	}
	return f, err
}

// ReadWhole parses a fact from a body that is well-formed JSON without space around it, a fact whose value must not be missing.
func ReadWhole(body []byte) (backend.Fact, error) {
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
	for name, v := range jsonvalue.Members(body) {
		if name == "value" {
			f.Value = v
		}
		if string(v) == "null" {
			continue
		}
		switch name {
		case "seq":
			var ok bool
			if f.Seq, ok = jsonvalue.ParseUint(v); !ok {
				err = &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is no place in a log"}
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
				err = &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is not from 1 to 2147483647"}
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

func text(name string, v []byte) (string, error) {
	s, ok := jsonvalue.Text(v)
	if !ok {
		return "", &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is not a string"}
	}
	return s, nil
}

func parseTimeOf(name string, v []byte) (time.Time, error) {
	t, ok := parseTime(v)
	if !ok {
		return t, badTime(name, v)
	}
	return t, nil
}
