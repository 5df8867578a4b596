package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

// Version is the protocol version that a client asks for with [OpHello]. Without that, a connection
// speaks version 1.
const Version = 2

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

// A Request is what a client asks for. Its fields are parsed lazily; an op ignores fields that it does
// not define. It shares the memory of the body that it was parsed from.
type Request struct {
	Op  string
	ID  []byte // request_id, any JSON value, which the answer repeats; nil if not given
	Err error  // what is wrong with a body that is not a request; Op is empty then

	body   []byte
	fields [len(fieldNames)][]byte // the values of the fields; nil if not given
	fact   backend.Fact            // if isRead
	isRead bool
}

var fieldNames = [...]string{"op", "request_id", "fact", "facts", "expect", "stores", "seqs", "horizon", "after", "through", "protocol", "client", "token"}

// field returns where r keeps the value of a field; nil if no op defines it.
func (r *Request) field(name string) *[]byte {
	if i := slices.Index(fieldNames[:], name); i >= 0 {
		return &r.fields[i]
	}
	return nil
}

// The request to write a fact is parsed fast if it is the fact between these.
const (
	writeFactPrefix = `{"op":"write_fact","fact":`
	writeFactSuffix = `}`
)

// ParseRequest parses a request: keys in any order, unknown ones ignored. A body that is not a JSON
// object with an op has a *backend.InvalidError as its Err. ParseRequest checks every byte except the
// values of facts to be written: [Request.Fact] and [Request.Batch] find where these end,
// [backend.Fact.Validate] checks them, and [Request.Diagnose] says what a failed check means.
func ParseRequest(body []byte) Request {
	r := Request{body: body}
	if r.parseFact(writeFactPrefix, writeFactSuffix) || r.parseFact(writeFactPrefixV1, writeFactSuffixV1) {
		return r
	}
	end, err := jsonvalue.Object(body, 0, func(name string, at int) (end int, err error) {
		if name == "fact" || name == "facts" {
			end = jsonvalue.Skip(body, at)
		} else {
			end, err = jsonvalue.Value(body, at, maxDepth-1)
		}
		if field := r.field(name); field != nil && end > at && err == nil {
			*field = body[at:end:end]
		}
		return end, err
	})
	if err == nil {
		err = jsonvalue.End(body, end)
	}
	if op := *r.field("op"); err == nil && op == nil {
		err = &backend.InvalidError{Field: "op", Reason: "missing"}
	} else if err == nil {
		r.Op, err = text("op", op)
	}
	if err == nil && (r.Op != OpWriteFact && *r.field("fact") != nil || r.Op != OpWriteBatch && *r.field("facts") != nil) {
		err = jsonvalue.Check(body, maxDepth) // since nobody else checks the facts
	}
	if err != nil {
		return Request{Err: invalid("request", err)}
	}
	r.ID = *r.field("request_id")
	return r
}

// parseFact parses a request to write a fact and nothing else, whose text around the fact is known.
func (r *Request) parseFact(prefix, suffix string) bool {
	if !bytes.HasPrefix(r.body, []byte(prefix)) || !bytes.HasSuffix(r.body, []byte(suffix)) {
		return false
	}
	f, end, err := wire.ReadFact(r.body, len(prefix))
	if err != nil || string(r.body[end:]) != suffix {
		return false
	}
	r.Op, r.fact, r.isRead = OpWriteFact, f, true
	return true
}

// Diagnose returns the error to answer if a write failed with err, the error of Fact, Batch or the
// backend. It returns err, unless the backend refused a fact because the request's body is not JSON at
// all: then it says that.
func (r *Request) Diagnose(err error) error {
	if errors.Is(err, backend.ErrInvalid) {
		if malformed := jsonvalue.Check(r.body, maxDepth); malformed != nil {
			return &RequestError{invalid("request", malformed)}
		}
	}
	return err
}

// Fact returns the fact to be written. It must have a value, which may be null. The caller must check
// the fact, see [ParseRequest].
func (r *Request) Fact() (backend.Fact, error) {
	if r.isRead {
		return r.fact, nil
	}
	v := *r.field("fact")
	if v == nil {
		return backend.Fact{}, &RequestError{&backend.InvalidError{Field: "fact", Reason: "missing"}}
	}
	f, end, err := wire.ReadFact(v, 0)
	if err == nil {
		err = jsonvalue.End(v, end)
	}
	if err != nil {
		return backend.Fact{}, r.Diagnose(invalid("fact", err))
	}
	return f, nil
}

// Batch returns the facts to be written and the expectations. The caller must check the facts, see
// [ParseRequest].
func (r *Request) Batch() (backend.Batch, error) {
	var b backend.Batch
	v := *r.field("facts")
	if len(v) == 0 || v[0] != '[' {
		return b, &RequestError{&backend.InvalidError{Field: "facts", Reason: "not an array of facts"}}
	}
	end, err := jsonvalue.Array(v, 0, func(at int) (int, error) {
		f, end, err := wire.ReadFact(v, at)
		if err != nil {
			return end, fmt.Errorf("fact %d of the batch: %w", len(b.Facts), err)
		}
		b.Facts = append(b.Facts, f)
		return end, nil
	})
	if err == nil {
		err = jsonvalue.End(v, end)
	}
	if err != nil {
		return backend.Batch{}, r.Diagnose(invalid("facts", err))
	}
	var expect []struct{ Store, Key, ID string }
	if err := r.decode("expect", &expect); err != nil {
		return b, err
	}
	for _, e := range expect {
		b.Expect = append(b.Expect, backend.Expect(e))
	}
	return b, nil
}

// Range returns the part of the log that is asked for: after a cursor, which is a seq or the text of a
// [backend.Cursor], through a seq, of some stores. "*" among the stores stands for all, and so does a
// request without stores; an empty list stands for none.
func (r *Request) Range() (backend.Range, error) {
	var x backend.Range
	var err error
	if after := *r.field("after"); len(after) > 0 && after[0] == '"' {
		var cursor string
		if cursor, err = r.text("after"); err == nil {
			x.After, err = backend.ParseCursor(cursor)
		}
	} else {
		x.After.Seq, err = r.number("after")
	}
	if err == nil {
		x.Through, err = r.Through()
	}
	if err == nil {
		err = r.decode("stores", &x.Stores)
	}
	if err != nil {
		return backend.Range{}, err
	}
	if slices.Contains(x.Stores, "*") {
		x.Stores = nil
	}
	return x, nil
}

// Through returns the seq to end with; 0 if not given.
func (r *Request) Through() (uint64, error) { return r.number("through") }

// Protocol returns the version that the client asks for; 0 if not given.
func (r *Request) Protocol() (uint64, error) { return r.number("protocol") }

// Client returns the client's name and version; "" if not given.
func (r *Request) Client() (string, error) { return r.text("client") }

// Token returns the token that the client shows; "" if not given.
func (r *Request) Token() (string, error) { return r.text("token") }

// Seqs returns the seqs to prune. They must be given, but may be an empty array.
func (r *Request) Seqs() (seqrange.Set, error) {
	var given [][]uint64
	if err := r.decode("seqs", &given); err != nil {
		return nil, err
	}
	if given == nil {
		return nil, &backend.InvalidError{Field: "seqs", Reason: "not an array of ranges, each of two seqs"}
	}
	ranges := make([][2]uint64, len(given))
	for i, x := range given {
		if len(x) != 2 || x[0] > x[1] {
			return nil, &backend.InvalidError{Field: "seqs", Reason: fmt.Sprintf("%d is not a range: a first and a last seq", x)}
		}
		ranges[i] = [2]uint64(x)
	}
	return seqrange.Of(ranges...), nil
}

// Horizon returns the moment before which the past becomes incomplete; zero if not given.
func (r *Request) Horizon() (backend.Horizon, error) {
	var given horizon
	if err := r.decode("horizon", &given); err != nil {
		return backend.Horizon{}, err
	}
	return given.parse()
}

func (r *Request) decode(name string, into any) error {
	v := *r.field(name)
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(v, into); err != nil {
		return &RequestError{&backend.InvalidError{Field: name, Reason: err.Error()}}
	}
	return nil
}

func (r *Request) number(name string) (uint64, error) {
	v := *r.field(name)
	if v == nil || string(v) == "null" {
		return 0, nil
	}
	n, ok := jsonvalue.ParseUint(v)
	if !ok {
		return 0, &backend.InvalidError{Field: name, Reason: jsonvalue.Excerpt(v) + " is not a whole number"}
	}
	return n, nil
}

func (r *Request) text(name string) (string, error) {
	v := *r.field(name)
	if v == nil || string(v) == "null" {
		return "", nil
	}
	return text(name, v)
}
