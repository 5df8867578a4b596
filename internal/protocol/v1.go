package protocol

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// AppendFactV1 appends f in the form of protocol version 1: every key, nulls too, in the order of
// the Ruby system, and no seq. f must be valid; an empty Value is written as null.
func AppendFactV1(dst []byte, f *backend.Fact) []byte {
	dst = append(dst, `{"id":"`...)
	dst = append(jsonvalue.AppendText(dst, f.ID), '"')
	dst = appendField(dst, "store", f.Store)
	dst = appendField(dst, "key", f.Key)
	dst = append(dst, `,"value":`...)
	dst = jsonvalue.AppendValue(dst, f.Value)
	dst = append(dst, `,"value_hash":`...)
	dst = appendTextOrNull(dst, f.ValueHash)
	dst = append(dst, `,"causation":`...)
	dst = appendTextOrNull(dst, f.Causation)
	dst = append(dst, `,"transaction_time":`...)
	if f.TransactionTime.IsZero() {
		dst = append(dst, "null"...)
	} else {
		dst = wire.AppendTime(dst, f.TransactionTime)
	}
	dst = append(dst, `,"valid_time":`...)
	if f.ValidTime.IsZero() {
		dst = append(dst, "null"...)
	} else {
		dst = wire.AppendTime(dst, f.ValidTime)
	}
	dst = append(dst, `,"schema_version":`...)
	dst = strconv.AppendInt(dst, int64(max(f.SchemaVersion, 1)), 10)
	dst = append(dst, `,"producer":`...)
	dst = jsonvalue.AppendValue(dst, f.Producer)
	dst = append(dst, `,"derivation":`...)
	dst = jsonvalue.AppendValue(dst, f.Derivation)
	return append(dst, '}')
}

// StoresV1 returns the stores that a subscription of version 1 names; nil: all, which an empty list and anything that is
// not a list of names stand for too.
func (r *Request) StoresV1() []string {
	var names []string
	if r.decode("stores", r.stores, &names) != nil || len(names) == 0 || slices.Contains(names, "*") {
		return nil
	}
	return names
}

// AppendOK appends the answer of version 1 to what was done and has nothing to tell. An id, of a request
// that has one, is repeated as the last key, here and in the functions below; nil: none.
func AppendOK(dst, id []byte) []byte { return CloseAnswer(OpenAnswer(dst), id) }

// AppendWriteFactV1 appends the request to write f as Ruby clients do.
func AppendWriteFactV1(dst []byte, f *backend.Fact) []byte {
	dst = append(dst, rubyFactPrefix...)
	return append(AppendFactV1(dst, f), rubyFactSuffix...)
}

// AppendSubscribeV1 appends the request of version 1 to subscribe to all stores.
func AppendSubscribeV1(dst []byte) []byte { return append(dst, `{"op":"subscribe","stores":[]}`...) }

// AppendWriteSnapshotV1 appends the request of version 1 for a snapshot of facts.
func AppendWriteSnapshotV1(dst []byte, facts []backend.Fact) []byte {
	dst = append(dst, `{"facts":[`...)
	for i := range facts {
		dst = AppendFactV1(appendComma(dst, i), &facts[i])
	}
	return append(dst, `],"op":"write_snapshot"}`...)
}

// What a subscription of version 1 sends for each fact.
const (
	eventPrefix = `{"event":"fact_written","fact":`
	eventSuffix = `}`
)

// AppendEventV1 appends what a subscription of version 1 sends for a fact.
func AppendEventV1(dst []byte, f *backend.Fact) []byte {
	return append(AppendFactV1(append(dst, eventPrefix...), f), eventSuffix...)
}

// ParseEventV1 parses what a subscription of version 1 sends, looking at every byte. ok is false for
// another event than that of a fact.
func ParseEventV1(body []byte) (f backend.Fact, ok bool, err error) {
	if err := jsonvalue.Check(body, maxDepth); err != nil {
		return f, false, &backend.InvalidError{Field: "event", Reason: err.Error()}
	}
	var e struct {
		Event string
		Fact  json.RawMessage
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return f, false, &backend.InvalidError{Field: "event", Reason: err.Error()}
	}
	if e.Event != "fact_written" {
		return f, false, nil
	}
	f, err = wire.CheckFact(e.Fact)
	return f, err == nil, err
}

// AppendFactsV1 appends the answer of version 1 to a replay: all the facts.
func AppendFactsV1(dst []byte, facts []backend.Fact, id []byte) []byte {
	dst = append(OpenAnswer(dst), `,"facts":[`...)
	for i := range facts {
		dst = AppendFactV1(appendComma(dst, i), &facts[i])
	}
	return CloseAnswer(append(dst, ']'), id)
}

// ParseFactsV1 parses the answer of version 1 to a replay, looking at every byte. The facts share
// body's memory.
func ParseFactsV1(body []byte) ([]backend.Fact, error) {
	array, err := factsIn(body)
	if err != nil {
		return nil, err
	}
	if len(array) == 0 || array[0] != '[' {
		return nil, &backend.InvalidError{Field: "facts", Reason: "no array of facts in the answer to a replay"}
	}
	var facts []backend.Fact
	for _, v := range jsonvalue.Elements(array) {
		f, err := wire.ReadFact(v)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}
