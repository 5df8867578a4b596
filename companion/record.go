// SPDX-License-Identifier: Apache-2.0

package companion

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/store"
)

// A Receipt says where and when the log took a fact in. Its JSON has the names of a fact's fields over HTTP.
type Receipt struct {
	ID        string    `json:"id"`                  // of the fact, unique in its store
	Seq       uint64    `json:"seq"`                 // its place in the log
	Hash      string    `json:"value_hash"`          // SHA-256 of the value's canonical JSON, in hex
	Causation string    `json:"causation,omitempty"` // ID of the key's fact before this one; "": there was none
	Time      time.Time `json:"transaction_time"`    // when the log took it in
}

func receipt(f backend.Fact) Receipt {
	return Receipt{ID: f.ID, Seq: f.Seq, Hash: f.ValueHash, Causation: f.Causation, Time: f.TransactionTime}
}

// A Record is a fact with its value as a T. Its JSON has the names of a fact's fields over HTTP and can be read back.
// As always with encoding/json, methods of *T write the value only if it is reached through a pointer: marshal &record,
// or a slice.
type Record[T any] struct {
	Receipt
	Key        string          `json:"key"`                  // what the fact is about; "" is a key like any other
	Value      T               `json:"value"`                // decoded as encoding/json does it
	Retracted  bool            `json:"retracted,omitempty"`  // the fact removes the key's value; Value is the zero T
	ValidTime  time.Time       `json:"valid_time,omitzero"`  // when it became true in the app's domain; zero: not given
	Version    int             `json:"version"`              // the fact's place among the facts of its key that the Store holds, counted from 1
	Schema     int             `json:"schema_version"`       // the schema version of the value as it was written, see Records.Upcast
	By         string          `json:"by,omitempty"`         // the token or certificate with which a server accepted it; "": no server stamped it
	Producer   json.RawMessage `json:"producer,omitempty"`   // what the writer says about who wrote it, see WithProducer; nil: not given
	Derivation json.RawMessage `json:"derivation,omitempty"` // from what it was derived; nil: it was not derived
}

// Live reports whether r has a value: it is neither the zero Record nor a deletion.
func (r *Record[T]) Live() bool { return r.Seq != 0 && !r.Retracted }

// holds returns an error if the value of r, which can be decoded, has a field that T lacks.
func (s *source[T]) holds(r store.Record) error {
	if !s.known.lacks || r.Seq() == 0 || r.Retracted() {
		return nil
	}
	text, err := r.Upcast()
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := safely(func() error { return d.Decode(new(T)) }); err != nil {
		return refused("value", "the value has a field that %v lacks, and writing would drop it: %v: add the field to the type, or write with Change and IfLatest", reflect.TypeFor[T](), err)
	}
	return nil
}

// decode decodes r; the zero Record stays zero. The value shares no memory with the engine. If the value can't be
// decoded as a T, decode returns a record without Value and a *DecodeError.
func (s *source[T]) decode(r store.Record) (Record[T], error) {
	if r.Seq() == 0 {
		return Record[T]{}, nil
	}
	record := Record[T]{
		Receipt:    Receipt{ID: r.ID(), Seq: r.Seq(), Hash: r.ValueHash(), Causation: r.Causation(), Time: r.TransactionTime()},
		Key:        r.Key(),
		Retracted:  r.Retracted(),
		ValidTime:  r.ValidTime(),
		Version:    r.Version(),
		Schema:     r.SchemaVersion(),
		By:         r.By(),
		Producer:   bytes.Clone(r.Producer()),
		Derivation: bytes.Clone(r.Derivation()),
	}
	if record.Retracted {
		return record, nil
	}
	value := new(T) // apart, so that a Record need not be on the heap
	text, err := r.Upcast()
	if err == nil {
		err = unmarshal(text, value, s.known)
	}
	if err != nil {
		return record, &DecodeError{r.ID(), r.Store(), r.Key(), r.Seq(), reflect.TypeFor[T](), err}
	}
	record.Value = *value
	return record, nil
}
