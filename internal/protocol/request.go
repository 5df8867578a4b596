package protocol

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

// Version is the protocol version that a client asks for with [OpHello]. Without that, a connection
// speaks version 1.
const Version = 2

// maxDepth is how deep a body may be nested: a value of a fact within a message. Deeper values are
// for Validate to refuse, with a better error.
const maxDepth = backend.MaxDepth + 10

// Ops of requests.
const (
	OpHello         = "hello"
	OpPing          = "ping"
	OpWriteFact     = "write_fact"
	OpWriteBatch    = "write_batch"
	OpReplay        = "replay"
	OpSubscribe     = "subscribe"
	OpWriteSnapshot = "write_snapshot"
	OpPrune         = "prune"
	OpStats         = "stats"
	OpServerStatus  = "server_status"
	OpClose         = "close"
)

// A Request is what a client asks for. Its fields are read when they are asked for, since each op has
// some of them and none minds the others. It shares the memory of the body that it was parsed from.
type Request struct {
	Op  string
	ID  []byte // request_id, any JSON value, which the answer repeats; nil: not given
	Err error  // what is wrong with a body that is no request; then Op is empty

	fact    []byte       // nil: not given
	checked backend.Fact // fact parsed, if isFact
	isFact  bool

	facts, expect, stores, seqs, horizon, after, through, protocol, client, token []byte
}

// The forms in which clients write the request that counts: ours, and Ruby's.
const (
	writeFactPrefix = `{"op":"write_fact","fact":`
	rubyFactPrefix  = `{"fact":`
	rubyFactSuffix  = `,"op":"write_fact"}`
)

// ParseRequest parses a request, looking at every byte: its keys in any order, unknown ones ignored. What
// is not JSON as facts hold it, no object or without an op has a *backend.InvalidError as its Err.
func ParseRequest(body []byte) Request {
	if f, raw, ok := quickFact(body); ok {
		return Request{Op: OpWriteFact, fact: raw, checked: f, isFact: true}
	}
	if err := jsonvalue.Check(body, maxDepth); err != nil {
		return Request{Err: &backend.InvalidError{Field: "request", Reason: err.Error()}}
	}
	body = jsonvalue.TrimSpace(body)
	if body[0] != '{' {
		return Request{Err: &backend.InvalidError{Field: "request", Reason: "not a JSON object"}}
	}
	var r Request
	fields := map[string]*[]byte{
		"request_id": &r.ID, "fact": &r.fact, "facts": &r.facts, "expect": &r.expect, "stores": &r.stores, "seqs": &r.seqs, "horizon": &r.horizon,
		"after": &r.after, "through": &r.through, "protocol": &r.protocol, "client": &r.client, "token": &r.token,
	}
	var op []byte
	for name, v := range jsonvalue.Members(body) {
		if name == "op" {
			op = v
		} else if field := fields[name]; field != nil {
			*field = v
		}
	}
	if op == nil {
		r.Err = &backend.InvalidError{Field: "op", Reason: "missing"}
	} else {
		r.Op, r.Err = text("op", op)
	}
	return r
}

// quickFact recognizes a request to write a fact and nothing else, in the forms that clients write.
func quickFact(body []byte) (f backend.Fact, raw []byte, ok bool) {
	switch n := len(body); {
	case has(body, 0, writeFactPrefix) && body[n-1] == '}':
		raw = body[len(writeFactPrefix) : n-1 : n-1]
	case n >= len(rubyFactPrefix)+len(rubyFactSuffix) && has(body, 0, rubyFactPrefix) && has(body, n-len(rubyFactSuffix), rubyFactSuffix):
		end := n - len(rubyFactSuffix)
		raw = body[len(rubyFactPrefix):end:end]
	default:
		return f, nil, false
	}
	f, err := wire.CheckWhole(raw)
	return f, raw, err == nil
}

// Fact returns the request's fact, which must have a value, be it null. Its limits are for
// [backend.Fact.Validate] to check.
func (r *Request) Fact() (backend.Fact, error) {
	if r.isFact {
		return r.checked, nil
	}
	if len(r.fact) == 0 {
		return backend.Fact{}, &RequestError{&backend.InvalidError{Field: "fact", Reason: "missing"}}
	}
	return wire.ReadWhole(r.fact)
}

// Batch returns the request's facts and expectations.
func (r *Request) Batch() (backend.Batch, error) {
	var b backend.Batch
	for i, v := range jsonvalue.Elements(r.facts) {
		f, err := wire.ReadWhole(v)
		if err != nil {
			return b, fmt.Errorf("fact %d of the batch: %w", i, err)
		}
		b.Facts = append(b.Facts, f)
	}
	if len(r.facts) == 0 || r.facts[0] != '[' {
		return b, &RequestError{&backend.InvalidError{Field: "facts", Reason: "an array of facts is wanted"}}
	}
	var expect []struct{ Store, Key, ID string }
	if err := r.decode("expect", r.expect, &expect); err != nil {
		return b, err
	}
	for _, e := range expect {
		b.Expect = append(b.Expect, backend.Expect(e))
	}
	return b, nil
}

// Range returns the part of the log that is asked for: after a cursor, which is a seq or the text of a
// [backend.Cursor], through a seq, of some stores. "*" among the stores stands for all, and so do no stores; an
// empty list is none.
func (r *Request) Range() (backend.Range, error) {
	var x backend.Range
	var err error
	if len(r.after) > 0 && r.after[0] == '"' {
		var cursor string
		if cursor, err = text("after", r.after); err == nil {
			x.After, err = backend.ParseCursor(cursor)
		}
	} else {
		x.After.Seq, err = r.number("after", r.after)
	}
	if err != nil {
		return backend.Range{}, err
	}
	if x.Through, err = r.Through(); err != nil {
		return backend.Range{}, err
	}
	if err := r.decode("stores", r.stores, &x.Stores); err != nil {
		return backend.Range{}, err
	}
	if slices.Contains(x.Stores, "*") {
		x.Stores = nil
	}
	return x, nil
}

// Through returns the seq to end with; 0 if not given.
func (r *Request) Through() (uint64, error) { return r.number("through", r.through) }

// Protocol returns the version that a client asks for; 0 if not given.
func (r *Request) Protocol() (uint64, error) { return r.number("protocol", r.protocol) }

// Client and Token return how a client calls itself and the token that it shows; "" if not given.
func (r *Request) Client() (string, error) { return r.text("client", r.client) }

// Token is described with Client.
func (r *Request) Token() (string, error) { return r.text("token", r.token) }

// Seqs returns the seqs to prune. They must be given, but may be an empty array.
func (r *Request) Seqs() (seqrange.Set, error) {
	var given [][]uint64
	if err := r.decode("seqs", r.seqs, &given); err != nil {
		return nil, err
	}
	if given == nil {
		return nil, &backend.InvalidError{Field: "seqs", Reason: "an array of ranges is wanted, each of two seqs"}
	}
	ranges := make([][2]uint64, len(given))
	for i, x := range given {
		if len(x) != 2 || x[0] > x[1] {
			return nil, &backend.InvalidError{Field: "seqs", Reason: fmt.Sprintf("%d is no range, which is its first and its last seq", x)}
		}
		ranges[i] = [2]uint64(x)
	}
	return seqrange.Of(ranges...), nil
}

// Horizon returns how far the past becomes incomplete; zero if not given.
func (r *Request) Horizon() (backend.Horizon, error) {
	var given struct {
		Seq  uint64
		Time json.RawMessage
	}
	if err := r.decode("horizon", r.horizon, &given); err != nil {
		return backend.Horizon{}, err
	}
	h := backend.Horizon{Seq: given.Seq}
	var err error
	if len(given.Time) > 0 && string(given.Time) != "null" {
		h.Time, err = parseTime("horizon", given.Time)
	}
	return h, err
}

func (r *Request) decode(field string, v []byte, into any) error {
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(v, into); err != nil {
		return &RequestError{&backend.InvalidError{Field: field, Reason: err.Error()}}
	}
	return nil
}

func (r *Request) number(field string, v []byte) (uint64, error) {
	if v == nil || string(v) == "null" {
		return 0, nil
	}
	n, ok := jsonvalue.ParseUint(v)
	if !ok {
		return 0, &backend.InvalidError{Field: field, Reason: jsonvalue.Excerpt(v) + " is no whole number"}
	}
	return n, nil
}

func (r *Request) text(field string, v []byte) (string, error) {
	if v == nil || string(v) == "null" {
		return "", nil
	}
	return text(field, v)
}

// AppendRequest appends a request of an op without fields.
func AppendRequest(dst []byte, op string) []byte {
	return append(append(append(dst, `{"op":"`...), op...), `"}`...)
}

// AppendHello appends the request that begins version 2. Without a token, that is left out.
func AppendHello(dst []byte, client, token string) []byte {
	dst = append(dst, `{"op":"hello","protocol":`...)
	dst = strconv.AppendInt(dst, Version, 10)
	dst = appendField(dst, "client", client)
	if token != "" {
		dst = appendField(dst, "token", token)
	}
	return append(dst, '}')
}

// AppendWriteFact appends the request to write f, in the form of logs and without its Seq.
func AppendWriteFact(dst []byte, f *backend.Fact) []byte {
	dst = append(dst, writeFactPrefix...)
	return append(appendUnplaced(dst, f), '}')
}

// appendUnplaced appends f in the form of logs, without its Seq.
func appendUnplaced(dst []byte, f *backend.Fact) []byte {
	unplaced := *f
	unplaced.Seq = 0
	return wire.AppendFact(dst, &unplaced)
}

// AppendWriteBatch appends the request to write b.
func AppendWriteBatch(dst []byte, b *backend.Batch) []byte {
	dst = append(dst, `{"op":"write_batch","facts":[`...)
	for i := range b.Facts {
		dst = appendUnplaced(appendComma(dst, i), &b.Facts[i])
	}
	dst = append(dst, ']')
	for i, e := range b.Expect {
		if i == 0 {
			dst = append(dst, `,"expect":[`...)
		}
		dst = append(appendComma(dst, i), `{"store":"`...)
		dst = jsonvalue.AppendText(dst, e.Store)
		dst = append(dst, '"')
		dst = appendField(dst, "key", e.Key)
		dst = appendField(dst, "id", e.ID)
		dst = append(dst, '}')
	}
	if len(b.Expect) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// AppendReplay appends the request for a part of the log.
func AppendReplay(dst []byte, r backend.Range) []byte { return appendRead(dst, OpReplay, r) }

// AppendSubscribe appends the request for a part of the log, and for what comes to it.
func AppendSubscribe(dst []byte, r backend.Range) []byte { return appendRead(dst, OpSubscribe, r) }

func appendRead(dst []byte, op string, r backend.Range) []byte {
	dst = append(append(append(dst, `{"op":"`...), op...), `","after":`...)
	if r.After.Log == (backend.LogID{}) {
		dst = strconv.AppendUint(dst, r.After.Seq, 10)
	} else {
		dst = appendQuoted(dst, r.After.String())
	}
	if r.Through != 0 {
		dst = AppendNumber(dst, "through", r.Through)
	}
	if r.Stores == nil {
		return append(dst, `,"stores":["*"]}`...)
	}
	return append(appendStores(dst, r.Stores), '}')
}

func appendStores(dst []byte, stores []string) []byte {
	dst = append(dst, `,"stores":[`...)
	for i, name := range stores {
		dst = append(appendComma(dst, i), '"')
		dst = append(jsonvalue.AppendText(dst, name), '"')
	}
	return append(dst, ']')
}

// AppendWriteSnapshot appends the request for a snapshot through a seq.
func AppendWriteSnapshot(dst []byte, through uint64) []byte {
	dst = append(dst, `{"op":"write_snapshot","through":`...)
	return append(strconv.AppendUint(dst, through, 10), '}')
}

// AppendPrune appends the request to prune seqs.
func AppendPrune(dst []byte, seqs seqrange.Set, h backend.Horizon) []byte {
	dst = append(dst, `{"op":"prune","seqs":[`...)
	for i, x := range seqs {
		dst = append(appendComma(dst, i), '[')
		dst = append(strconv.AppendUint(dst, x[0], 10), ',')
		dst = append(strconv.AppendUint(dst, x[1], 10), ']')
	}
	dst = append(dst, ']')
	if h != (backend.Horizon{}) {
		dst = append(dst, `,"horizon":{"seq":`...)
		dst = strconv.AppendUint(dst, h.Seq, 10)
		if !h.Time.IsZero() {
			dst = wire.AppendTime(append(dst, `,"time":`...), h.Time)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

// appendField appends a field with a text, after others.
func appendField(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, ',', '"'), name...), `":"`...)
	return append(jsonvalue.AppendText(dst, value), '"')
}
