package protocol

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// An Ack is what a server answers about a fact that was written.
type Ack struct {
	Seq             uint64
	Causation       string
	TransactionTime time.Time

	// Fact is the fact as the log holds it if it is a duplicate: the log held it before, or does not know whether
	// it did. Nil: the fact is new, and as it was written.
	Fact *backend.Fact
}

// AckOf returns the ack of a fact as the log holds it.
func AckOf(f *backend.Fact, duplicate bool) Ack {
	p := Ack{Seq: f.Seq, Causation: f.Causation, TransactionTime: f.TransactionTime}
	if duplicate {
		p.Fact = f
	}
	return p
}

// FirstOf returns the First of a [backend.Written]: the lowest seq of an ack that is not a duplicate; 0: all are.
func FirstOf(acks []Ack) (first uint64) {
	for _, a := range acks {
		if a.Fact == nil && (first == 0 || a.Seq < first) {
			first = a.Seq
		}
	}
	return first
}

// In returns the fact that the log holds, for one that was written.
func (p Ack) In(f backend.Fact) backend.Fact {
	if p.Fact != nil {
		return *p.Fact
	}
	f.Seq, f.Causation, f.TransactionTime = p.Seq, p.Causation, p.TransactionTime
	return f
}

// An answer is an object that begins like this.
const (
	okPrefix    = `{"ok":true`
	ackPrefix   = `,"seq":`
	batchPrefix = `{"ok":true,"facts":[`
)

// OpenAnswer begins an answer to which fields are then appended, each after a comma, and which
// [CloseAnswer] completes.
func OpenAnswer(dst []byte) []byte { return append(dst, okPrefix...) }

// CloseAnswer completes an answer.
func CloseAnswer(dst, id []byte) []byte {
	if id != nil {
		dst = append(append(dst, `,"request_id":`...), id...)
	}
	return append(dst, '}')
}

// AppendNumber appends a field with a whole number to an answer.
func AppendNumber(dst []byte, name string, n uint64) []byte {
	dst = append(append(append(dst, ',', '"'), name...), `":`...)
	return strconv.AppendUint(dst, n, 10)
}

// AppendWritten appends the answer to a fact that was written.
func AppendWritten(dst []byte, p Ack, id []byte) []byte {
	return CloseAnswer(appendAckFields(OpenAnswer(dst), p), id)
}

// AppendWrittenBatch appends the answer to a batch that was written.
func AppendWrittenBatch(dst []byte, acks []Ack, id []byte) []byte {
	dst = append(dst, batchPrefix...)
	for i, p := range acks {
		dst = appendComma(dst, i)
		start := len(dst)
		dst = appendAckFields(dst, p)
		dst[start] = '{' // in the place of the comma
		dst = append(dst, '}')
	}
	return CloseAnswer(append(dst, ']'), id)
}

func appendAckFields(dst []byte, p Ack) []byte {
	dst = append(dst, ackPrefix...)
	dst = strconv.AppendUint(dst, p.Seq, 10)
	dst = append(dst, `,"causation":`...)
	dst = appendTextOrNull(dst, p.Causation)
	dst = append(dst, `,"transaction_time":`...)
	dst = wire.AppendTime(dst, p.TransactionTime)
	if p.Fact != nil {
		dst = append(dst, `,"duplicate":true,"fact":`...)
		dst = wire.AppendFact(dst, p.Fact)
	}
	return dst
}

// ParseWritten parses the answer to a fact that was written.
func ParseWritten(body []byte) (Ack, error) {
	if p, ok := quickAck(body); ok {
		return p, nil
	}
	if err := ParseAnswer(body, nil); err != nil {
		return Ack{}, err
	}
	return parseAck(jsonvalue.TrimSpace(body))
}

// quickAck parses what AppendWritten makes of an ack without a fact.
func quickAck(body []byte) (p Ack, ok bool) {
	if !has(body, 0, okPrefix+ackPrefix) {
		return p, false
	}
	i := len(okPrefix + ackPrefix)
	end := numberEnd(body, i)
	if p.Seq, ok = jsonvalue.ParseUint(body[i:end]); !ok || p.Seq == 0 {
		return p, false
	}
	const causation, none = `,"causation":"`, `,"causation":null`
	if i = end; has(body, i, none) {
		i += len(none)
	} else if !has(body, i, causation) {
		return p, false
	} else if p.Causation, i, ok = jsonvalue.PlainText(body, i+len(causation)); !ok {
		return p, false
	}
	if !has(body, i, `,"transaction_time":`) {
		return p, false
	}
	i += len(`,"transaction_time":`)
	end = numberEnd(body, i)
	var err error
	p.TransactionTime, err = wire.ParseTime(body[i:end])
	return p, err == nil && end == len(body)-1 && body[end] == '}'
}

func numberEnd(body []byte, i int) int {
	for i < len(body) && body[i] != ',' && body[i] != '}' {
		i++
	}
	return i
}

func has(body []byte, i int, prefix string) bool {
	return len(body)-i >= len(prefix) && string(body[i:i+len(prefix)]) == prefix
}

func parseAck(object []byte) (p Ack, err error) {
	if object[0] != '{' {
		return p, &backend.InvalidError{Field: "facts", Reason: jsonvalue.Excerpt(object) + " says of no fact where it is"}
	}
	for name, v := range jsonvalue.Members(object) {
		switch name {
		case "seq":
			var ok bool
			if p.Seq, ok = jsonvalue.ParseUint(v); !ok {
				err = &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is no place in a log"}
			}
		case "causation":
			if string(v) != "null" {
				p.Causation, err = text(name, v)
			}
		case "transaction_time":
			p.TransactionTime, err = parseTime(name, v)
		case "fact":
			var f backend.Fact
			f, err = wire.ReadWhole(v)
			p.Fact = &f
		}
		if err != nil {
			return Ack{}, err
		}
	}
	if p.Seq == 0 {
		return Ack{}, &backend.InvalidError{Field: "seq", Reason: "missing in an answer"}
	}
	return p, nil
}

// ParseWrittenBatch parses the answer to a batch of n facts that was written.
func ParseWrittenBatch(body []byte, n int) ([]Ack, error) {
	facts, err := factsIn(body)
	if err != nil {
		return nil, err
	}
	acks := make([]Ack, 0, n)
	for _, v := range jsonvalue.Elements(facts) {
		p, err := parseAck(v)
		if err != nil {
			return nil, err
		}
		acks = append(acks, p)
	}
	if len(acks) != n {
		return nil, &backend.InvalidError{Field: "facts", Reason: "an answer about " + strconv.Itoa(len(acks)) + " facts of " + strconv.Itoa(n)}
	}
	return acks, nil
}

// factsIn returns the facts of an answer, which is well-formed: an array, or anything.
func factsIn(body []byte) ([]byte, error) {
	if has(body, 0, batchPrefix) {
		if err := jsonvalue.Check(body, maxDepth); err != nil {
			return nil, &backend.InvalidError{Field: "answer", Reason: err.Error()}
		}
		return body[len(batchPrefix)-1:], nil
	}
	var answer struct{ Facts json.RawMessage }
	err := ParseAnswer(body, &answer)
	return answer.Facts, err
}

// ParseAnswer parses an answer into a struct, as encoding/json does; nil: only whether it is one. An
// answer that says that the request failed is the error that it tells of, see [ParseError]. What is
// no answer is a *backend.InvalidError.
func ParseAnswer(body []byte, into any) error {
	if err := jsonvalue.Check(body, maxDepth); err != nil {
		return &backend.InvalidError{Field: "answer", Reason: err.Error()}
	}
	var head struct{ OK *bool }
	if err := json.Unmarshal(body, &head); err != nil || head.OK == nil {
		return &backend.InvalidError{Field: "answer", Reason: jsonvalue.Excerpt(body) + " says neither that the request was done nor that it failed"}
	}
	if !*head.OK {
		return ParseError(body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return &backend.InvalidError{Field: "answer", Reason: err.Error()}
	}
	return nil
}

// A HelloReply is the answer to [OpHello].
type HelloReply struct {
	Protocol int      `json:"protocol"`
	Server   string   `json:"server"`    // how the server calls itself
	LastSeq  uint64   `json:"last_seq"`  // of its log; 0 if that is not known, or the client may not know it
	MaxFrame int      `json:"max_frame"` // bytes of a request's frame that the server accepts
	Features Features `json:"features"`  // of its log, for this client
}

// Features is a backend.Features with the names of its JSON form.
type Features struct {
	Batches  bool          `json:"batches"`
	Prune    bool          `json:"prune"`
	AllIDs   bool          `json:"all_ids"`
	MaxFrame int           `json:"max_frame"`
	Poll     time.Duration `json:"poll_ns"`
	Stores   []string      `json:"stores"` // null: all
}

// AppendHelloReply appends the answer to OpHello.
func AppendHelloReply(dst []byte, w HelloReply, id []byte) []byte {
	text, _ := json.Marshal(w) // numbers and texts: it can't fail
	dst = append(OpenAnswer(dst), ',')
	return CloseAnswer(append(dst, text[1:len(text)-1]...), id)
}

// AppendStats appends what an answer says of a log, as fields after others.
func AppendStats(dst []byte, s *backend.Stats) []byte {
	dst = AppendNumber(dst, "first_seq", s.FirstSeq)
	dst = AppendNumber(dst, "last_seq", s.LastSeq)
	dst = AppendNumber(dst, "facts", s.Facts)
	dst = AppendNumber(dst, "bytes", s.Bytes)
	dst = AppendNumber(dst, "durable_seq", s.DurableSeq)
	if s.Storage != nil {
		text, _ := json.Marshal((*storage)(s.Storage)) // numbers and a time: it can't fail
		dst = append(append(dst, `,"storage":`...), text...)
	}
	return dst
}

// ParseStats parses the answer to [OpStats] of version 2.
func ParseStats(body []byte) (backend.Stats, error) {
	var a struct {
		FirstSeq   uint64   `json:"first_seq"`
		LastSeq    uint64   `json:"last_seq"`
		Facts      uint64   `json:"facts"`
		Bytes      uint64   `json:"bytes"`
		DurableSeq uint64   `json:"durable_seq"`
		Storage    *storage `json:"storage"`
	}
	err := ParseAnswer(body, &a)
	return backend.Stats{FirstSeq: a.FirstSeq, LastSeq: a.LastSeq, Facts: a.Facts, Bytes: a.Bytes, DurableSeq: a.DurableSeq,
		Storage: (*backend.Storage)(a.Storage)}, err
}

// storage is a backend.Storage with the names of its JSON form.
type storage struct {
	Segments        int       `json:"segments"`
	Snapshots       int       `json:"snapshots"`
	SegmentBytes    uint64    `json:"segment_bytes"`
	SnapshotBytes   uint64    `json:"snapshot_bytes"`
	IndexBytes      uint64    `json:"index_bytes"`
	AheadBytes      uint64    `json:"ahead_bytes"`
	QuarantineBytes uint64    `json:"quarantine_bytes"`
	LastSync        time.Time `json:"last_sync"`
	Groups          uint64    `json:"groups"`
	Grouped         uint64    `json:"grouped"`
}

func appendTextOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = jsonvalue.AppendText(dst, s)
	return append(dst, '"')
}

func text(name string, v []byte) (string, error) {
	s, ok := jsonvalue.Text(v)
	if !ok {
		return "", &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is not a string"}
	}
	return s, nil
}

func parseTime(name string, v []byte) (time.Time, error) {
	t, err := wire.ParseTime(v)
	if invalid, ok := errors.AsType[*backend.InvalidError](err); ok {
		invalid.Field = name
	}
	return t, err
}
