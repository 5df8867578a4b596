package wire

import (
	"encoding/json"
	"strconv"

	"github.com/igniter-store/igniter/backend"
)

// A Signal is a body of a server's stream that is no part of the log.
type Signal struct {
	Heartbeat bool   // nothing came for a while, and the connection is alive
	End       bool   // the stream ends here, with all that was asked for
	LastSeq   uint64 // the seq through which the log was sent
}

// AppendStream appends the answer to a request for a replay, and AppendSubscribed that to one for a
// subscription: log frames follow it.
func AppendStream(dst []byte, last uint64, id []byte) []byte {
	dst = append(OpenAnswer(dst), `,"stream":true`...)
	return CloseAnswer(AppendNumber(dst, "last_seq", last), id)
}

// AppendSubscribed is described with AppendStream.
func AppendSubscribed(dst []byte, last uint64, id []byte) []byte {
	return CloseAnswer(AppendNumber(OpenAnswer(dst), "last_seq", last), id)
}

// AppendEnd appends the body that ends a replay.
func AppendEnd(dst []byte, last uint64) []byte {
	return append(strconv.AppendUint(append(dst, `{"end":true,"last_seq":`...), last, 10), '}')
}

// AppendHeartbeat appends the body that a subscription sends when it has nothing else to send.
func AppendHeartbeat(dst []byte, last uint64) []byte {
	return append(strconv.AppendUint(append(dst, `{"event":"heartbeat","last_seq":`...), last, 10), '}')
}

// IsSignal reports whether a body of a server's stream is no part of the log, but for [ParseSignal].
func IsSignal(body []byte) bool { return body[0] != '[' && !has(body, 0, `{"seq":`) }

// ParseSignal parses a body for which [IsSignal] holds. An answer that says that the stream failed is
// the error that it tells of.
func ParseSignal(body []byte) (Signal, error) {
	var s struct {
		OK      *bool
		Event   string
		End     bool
		LastSeq uint64 `json:"last_seq"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return Signal{}, &backend.InvalidError{Field: "stream", Reason: quote(body) + " is none of a stream's messages"}
	}
	if s.OK != nil && !*s.OK {
		return Signal{}, ParseError(body)
	}
	return Signal{Heartbeat: s.Event == "heartbeat", End: s.End, LastSeq: s.LastSeq}, nil
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
	if err := backend.CheckJSON(body, maxBodyDepth); err != nil {
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
	f, err = CheckFact(e.Fact)
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
	for _, v := range elements(array) {
		f, err := parseAny(v)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}
