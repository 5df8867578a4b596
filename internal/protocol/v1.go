// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// This file has the dialect of the Ruby system, version 1. Its bytes are fixed by recorded
// conversations, which are in testdata.

// AppendFactV1 appends f in the form of version 1: every key, nulls too, in the order of the Ruby
// system, and no seq. f must be valid; an empty Value is written as null.
func AppendFactV1(dst []byte, f *backend.Fact) []byte {
	dst = jsonvalue.AppendText(append(dst, `{"id":`...), f.ID)
	dst = appendField(dst, "store", f.Store)
	dst = appendField(dst, "key", f.Key)
	dst = jsonvalue.AppendValue(appendKey(dst, "value"), f.Value)
	dst = appendTextOrNull(dst, "value_hash", f.ValueHash)
	dst = appendTextOrNull(dst, "causation", f.Causation)
	dst = appendTimeOrNull(dst, "transaction_time", f.TransactionTime)
	dst = appendTimeOrNull(dst, "valid_time", f.ValidTime)
	dst = AppendNumber(dst, "schema_version", uint64(max(f.SchemaVersion, 1)))
	dst = jsonvalue.AppendValue(appendKey(dst, "producer"), f.Producer)
	dst = jsonvalue.AppendValue(appendKey(dst, "derivation"), f.Derivation)
	return append(dst, '}')
}

func appendTextOrNull(dst []byte, name, s string) []byte {
	if s == "" {
		return append(appendKey(dst, name), "null"...)
	}
	return appendField(dst, name, s)
}

func appendTimeOrNull(dst []byte, name string, t time.Time) []byte {
	dst = appendKey(dst, name)
	if t.IsZero() {
		return append(dst, "null"...)
	}
	return wire.AppendTime(dst, t)
}

func appendFactsV1(dst []byte, facts []backend.Fact) []byte {
	dst = append(dst, '[')
	for i := range facts {
		dst = AppendFactV1(appendComma(dst, i), &facts[i])
	}
	return append(dst, ']')
}

// Ruby's request to write a fact is the fact between these texts.
const (
	writeFactPrefixV1 = `{"fact":`
	writeFactSuffixV1 = `,"op":"write_fact"}`
)

// AppendWriteFactV1 appends the request to write f.
func AppendWriteFactV1(dst []byte, f *backend.Fact) []byte {
	return append(AppendFactV1(append(dst, writeFactPrefixV1...), f), writeFactSuffixV1...)
}

// AppendWriteSnapshotV1 appends the request for a snapshot of facts.
func AppendWriteSnapshotV1(dst []byte, facts []backend.Fact) []byte {
	return append(appendFactsV1(append(dst, `{"facts":`...), facts), `,"op":"write_snapshot"}`...)
}

// AppendSubscribeV1 appends the request to subscribe to all stores.
func AppendSubscribeV1(dst []byte) []byte { return append(dst, `{"op":"subscribe","stores":[]}`...) }

// StoresV1 returns the stores that a subscription names; nil for all stores. For an empty list, and
// for anything that is not a list of names, it returns nil too.
func (r *Request) StoresV1() []string {
	names, err := r.stores()
	if err != nil || len(names) == 0 {
		return nil
	}
	return names
}

// AppendOK appends the answer to a request that was done and has nothing to report.
func AppendOK(dst, id []byte) []byte { return CloseAnswer(OpenAnswer(dst), id) }

// AppendFactsV1 appends the answer to a replay: all the facts.
func AppendFactsV1(dst []byte, facts []backend.Fact, id []byte) []byte {
	return CloseAnswer(appendFactsV1(appendKey(OpenAnswer(dst), "facts"), facts), id)
}

// ParseFactsV1 parses the answer to a replay, and checks every byte. The facts share body's memory.
func ParseFactsV1(body []byte) ([]backend.Fact, error) {
	var facts []backend.Fact
	err := parseFacts(body, func(at int) (int, error) {
		end := jsonvalue.Skip(body, at)
		if end < 0 {
			return end, nil
		}
		f, err := wire.CheckFact(body[at:end:end])
		facts = append(facts, f)
		return end, err
	})
	if err != nil {
		return nil, err
	}
	return facts, nil
}

// AppendEventV1 appends what a subscription sends for a fact.
func AppendEventV1(dst []byte, f *backend.Fact) []byte {
	return append(AppendFactV1(append(dst, `{"event":"fact_written","fact":`...), f), '}')
}

// ParseEventV1 parses what a subscription sends, and checks every byte. ok is false for every event
// other than a written fact.
func ParseEventV1(body []byte) (f backend.Fact, ok bool, err error) {
	var event string
	var fact []byte
	end, err := jsonvalue.Object(body, 0, func(name string, at int) (end int, err error) {
		if name == "fact" {
			if end = jsonvalue.Skip(body, at); end > at {
				fact = body[at:end:end]
			}
			return end, nil
		}
		if end, err = jsonvalue.Value(body, at, maxDepth); name == "event" && err == nil {
			event, err = text(name, body[at:end])
		}
		return end, err
	})
	if err == nil {
		err = jsonvalue.End(body, end)
	}
	if err != nil || event != "fact_written" {
		return f, false, invalid("event", err)
	}
	f, err = wire.CheckFact(fact)
	return f, err == nil, err
}
