// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// CheckFact parses a fact from any source and checks every byte: keys in any order, unknown keys ignored, null as if not
// given; a missing value is null. timestamp and term are old names of transaction_time and valid_time. The error is a
// *backend.InvalidError if body is not a JSON object under the rules of [backend.Fact], lacks id, store or key, or has a
// field of the wrong type. [backend.Fact.Validate] checks the limits of a fact.
//
// The fact shares body's memory, which must not change as long as the fact is in use.
func CheckFact(body []byte) (backend.Fact, error) {
	f, end, err := readFact(body, 0, true)
	if err == nil {
		err = invalid("fact", jsonvalue.End(body, end))
	}
	if err != nil {
		return backend.Fact{}, err
	}
	return f, nil
}

// ReadFact reads the fact to be written that begins at body[i], and returns the position after it. It
// differs from [CheckFact] in two ways: a missing value is an error, and it finds only the ends of
// Value, Producer and Derivation, which [backend.Fact.Validate] checks.
func ReadFact(body []byte, i int) (f backend.Fact, end int, err error) {
	if at, ok := ownFields(body, i, `{"id":"`, &f); ok {
		if end = jsonvalue.Skip(body, at); end > at && end < len(body) && body[end] == '}' {
			f.Value = body[at:end:end]
			return f, end + 1, nil
		}
	}
	return readFact(body, i, false)
}

// readFact reads a fact as CheckFact does if check is true, otherwise as ReadFact does.
func readFact(body []byte, i int, check bool) (backend.Fact, int, error) {
	p := fields{f: backend.Fact{SchemaVersion: 1}}
	end, err := jsonvalue.Object(body, i, func(name string, at int) (end int, err error) {
		if !check && (name == "value" || name == "producer" || name == "derivation") {
			end = jsonvalue.Skip(body, at)
		} else {
			end, err = jsonvalue.Value(body, at, maxDepth)
		}
		if err != nil || end <= at {
			return end, err
		}
		return end, p.set(name, body[at:end:end])
	})
	if err == nil {
		err = p.complete(check)
	}
	if err != nil {
		return backend.Fact{}, -1, invalid("fact", err)
	}
	return p.f, end, nil
}

// maxDepth limits the nesting of a field of a fact from another source. A value that is a little too deep is left to
// Validate, which has a better error.
const maxDepth = backend.MaxDepth + 9

// fields is a fact whose fields are read one by one.
type fields struct {
	f backend.Fact

	id, store, key           bool // present
	oldTransaction, oldValid time.Time
}

func (p *fields) set(name string, v []byte) (err error) {
	f := &p.f
	if name == "value" {
		f.Value = v
		return nil
	}
	if string(v) == "null" {
		return nil
	}
	switch name {
	case "seq":
		var ok bool
		if f.Seq, ok = jsonvalue.ParseUint(v); !ok {
			err = &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is not a position in a log"}
		}
	case "id":
		p.id = true
		f.ID, err = text(name, v)
	case "store":
		p.store = true
		f.Store, err = text(name, v)
	case "key":
		p.key = true
		f.Key, err = text(name, v)
	case "value_hash":
		f.ValueHash, err = text(name, v)
	case "causation":
		f.Causation, err = text(name, v)
	case "by":
		f.By, err = text(name, v)
	case "transaction_time":
		f.TransactionTime, err = timeOf(name, v)
	case "timestamp":
		p.oldTransaction, err = timeOf(name, v)
	case "valid_time":
		f.ValidTime, err = timeOf(name, v)
	case "term":
		p.oldValid, err = timeOf(name, v)
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
	return err
}

// complete fills in absent fields; an absent value only if nullValue is true.
func (p *fields) complete(nullValue bool) error {
	for _, field := range [...]struct {
		name string
		ok   bool
	}{{"id", p.id}, {"store", p.store}, {"key", p.key}} {
		if !field.ok {
			return &backend.InvalidError{Field: field.name, Reason: "missing"}
		}
	}
	f := &p.f
	if f.TransactionTime.IsZero() {
		f.TransactionTime = p.oldTransaction
	}
	if f.ValidTime.IsZero() {
		f.ValidTime = p.oldValid
	}
	if f.Value == nil && !nullValue {
		return &backend.InvalidError{Field: "value", Reason: "missing: a fact has a JSON value, and null retracts"}
	}
	if f.Value == nil {
		f.Value = []byte("null")
	}
	return nil
}

func text(name string, v []byte) (string, error) {
	s, ok := jsonvalue.Text(v)
	if !ok {
		return "", &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is not a string"}
	}
	return s, nil
}

func timeOf(name string, v []byte) (time.Time, error) {
	t, ok := parseTime(v)
	if !ok {
		return t, badTime(name, v)
	}
	return t, nil
}

// parseVersion parses a schema version: a whole number, 0 standing for 1.
func parseVersion(text []byte) (int, bool) {
	n, ok := jsonvalue.ParseUint(text)
	return int(max(n, 1)), ok && n <= 1<<31-1
}

// invalid returns an error of the scanner as an error about a field, and any other error unchanged.
func invalid(field string, err error) error {
	if syntax, ok := errors.AsType[*jsonvalue.Error](err); ok {
		return &backend.InvalidError{Field: field, Reason: syntax.Error()}
	}
	return err
}
