// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

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
	OpNoteBackup    = "note_backup"
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

// A request to write a fact is parsed fast if it is a fact between these texts.
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
		err = jsonvalue.Check(body, maxDepth) // nothing else checks the facts
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
func (r *Request) Batch() (backend.Batch, error) { return r.CheckedBatch(nil, nil) }

// CheckedBatch is Batch, but calls fact with each fact, which it may change, and expect with each different expectation, as
// soon as it is parsed; nil calls nothing. Their errors end parsing and are returned unchanged. So a client that may not
// write costs no more than the bytes that it sent.
func (r *Request) CheckedBatch(fact func(*backend.Fact) error, expect func(*backend.Expect) error) (backend.Batch, error) {
	var b backend.Batch
	err := r.list("facts", true, backend.MaxBatch, func(v []byte, at int) (int, error) {
		f, end, err := wire.ReadFact(v, at)
		if err != nil {
			return end, fmt.Errorf("fact %d of the batch: %w", len(b.Facts), err)
		}
		b.Facts = append(b.Facts, f)
		if fact != nil {
			err = fact(&b.Facts[len(b.Facts)-1])
		}
		return end, err
	})
	if err == nil {
		seen := map[backend.Expect]bool{}
		err = r.list("expect", false, backend.MaxBatch, func(v []byte, at int) (int, error) {
			e, end, err := parseExpect(v, at)
			if err != nil || seen[e] {
				return end, err
			}
			if expect != nil {
				err = expect(&e)
			}
			seen[e] = true
			b.Expect = append(b.Expect, e)
			return end, err
		})
	}
	if err != nil {
		return backend.Batch{}, r.Diagnose(err)
	}
	return b, nil
}

// parseExpect parses the expectation at v[i], with no check of its texts.
func parseExpect(v []byte, i int) (e backend.Expect, end int, err error) {
	end, err = jsonvalue.Object(v, i, func(name string, at int) (int, error) {
		end, err := jsonvalue.Value(v, at, maxDepth)
		if err != nil {
			return end, err
		}
		into, known := map[string]*string{"store": &e.Store, "key": &e.Key, "id": &e.ID}[name]
		if value := v[at:end]; known && string(value) != "null" {
			*into, err = text("expect."+name, value)
		}
		return end, err
	})
	return e, end, err
}

// Limits of the lists in a request.
const (
	MaxRanges = 100_000 // of seqs
	maxStores = 4096    // different names of stores
)

// list parses an array, calling element with the field's text and the position of each element. An element more than
// limit is backend.ErrTooLarge.
func (r *Request) list(field string, required bool, limit int, element func(v []byte, at int) (end int, err error)) error {
	v := *r.field(field)
	if !required && (v == nil || string(v) == "null") {
		return nil
	}
	if len(v) == 0 || v[0] != '[' {
		return &RequestError{&backend.InvalidError{Field: field, Reason: "not an array"}}
	}
	n := 0
	end, err := jsonvalue.Array(v, 0, func(at int) (int, error) {
		if n++; n > limit {
			return -1, &RequestError{fmt.Errorf("%w: %s has more than %d elements", backend.ErrTooLarge, field, limit)}
		}
		return element(v, at)
	})
	if err == nil {
		err = jsonvalue.End(v, end)
	}
	if err = invalid(field, err); field != "facts" && errors.Is(err, backend.ErrInvalid) {
		return &RequestError{err}
	}
	return err
}

// Range returns the requested part of the log: after a cursor, which is a seq or the text of a [backend.Cursor], through a
// seq, of some stores, at most [maxStores], each named once. "*" among the stores stands for all, and so does a request
// without stores; an empty list stands for none.
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
		x.Stores, err = r.stores()
	}
	if err != nil {
		return backend.Range{}, err
	}
	return x, nil
}

// stores returns the names in the request's list of stores, each once; nil if there is no list, or "*" is in it. They
// share no memory with the request, which a subscription outlives.
func (r *Request) stores() (names []string, err error) {
	all, seen := true, map[string]bool{}
	err = r.list("stores", false, math.MaxInt, func(v []byte, at int) (int, error) {
		end, err := jsonvalue.Value(v, at, maxDepth)
		if err != nil {
			return end, err
		}
		name, err := text("stores", v[at:end])
		switch {
		case err != nil:
		case !seen[name] && len(names) == maxStores:
			err = fmt.Errorf("%w: a request names at most %d stores: ask for all, with \"*\"", backend.ErrTooLarge, maxStores)
		case !seen[name]:
			name = strings.Clone(name)
			seen[name] = true
			names = append(names, name)
		}
		return end, err
	})
	if v := *r.field("stores"); v != nil && string(v) != "null" {
		all = seen["*"]
	}
	switch {
	case err != nil || all:
		return nil, err
	case names == nil:
		return []string{}, nil
	}
	return names, nil
}

// Through returns the seq to end with; 0 if not given.
func (r *Request) Through() (uint64, error) { return r.number("through") }

// Protocol returns the version that the client asks for; 0 if not given.
func (r *Request) Protocol() (uint64, error) { return r.number("protocol") }

// Client returns the client's name and version; "" if not given.
func (r *Request) Client() (string, error) { return r.text("client") }

// Token returns the token that the client shows; "" if not given.
func (r *Request) Token() (string, error) { return r.text("token") }

// Seqs returns the seqs to prune. They must be given, but may be an empty array. There are at most [MaxRanges].
func (r *Request) Seqs() (seqrange.Set, error) {
	ranges := [][2]uint64{}
	err := r.list("seqs", true, MaxRanges, func(v []byte, at int) (int, error) {
		var x [2]uint64
		n := 0
		end, err := jsonvalue.Array(v, at, func(at int) (int, error) {
			end, err := jsonvalue.Value(v, at, 1)
			if err != nil {
				return end, err
			}
			seq, ok := jsonvalue.ParseUint(v[at:end])
			if !ok || n == 2 {
				return end, errNoRange
			}
			x[n] = seq
			n++
			return end, nil
		})
		if err == nil && (n != 2 || x[0] > x[1]) {
			err = errNoRange
		}
		ranges = append(ranges, x)
		return end, err
	})
	if err != nil {
		return nil, err
	}
	return seqrange.Of(ranges...), nil
}

var errNoRange = &backend.InvalidError{Field: "seqs", Reason: "not an array of ranges: each a first seq, and a last one that is not below it"}

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
