// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/query"
)

// mayWrite checks that a request to write shows a token, if the server requires tokens or certificates. Credentials that a
// browser sends automatically, such as a certificate, must not be enough, since another website could then write.
func mayWrite(r *http.Request, q *request) error {
	if !q.server.Open() && bearer(r) == "" {
		return fmt.Errorf("%w: to write over HTTP, show a token (Authorization: Bearer …): a certificate is not enough", backend.ErrForbidden)
	}
	return q.client.Grant.MayWriteSome()
}

// asItIs checks that a request to write has no header with a condition or an encoding that would be ignored.
func asItIs(r *http.Request) error {
	for _, name := range []string{"If-Unmodified-Since", "Content-Range", "Content-Encoding"} {
		if len(r.Header.Values(name)) > 0 {
			return &backend.InvalidError{Field: name, Reason: "not for writes here: use If-Match and If-None-Match, and send the body as it is"}
		}
	}
	return nil
}

// write writes the value of a key, or deletes it.
func (h *Handler) write(x *exchange, r *http.Request, q *request) error {
	if err := cmp.Or(mayWrite(r, q), asItIs(r)); err != nil {
		return err
	}
	p := given(r, "id", "valid_at", "producer")
	f := backend.Fact{ID: p.Get("id"), Store: q.args[0], Key: q.args[1], ValidTime: p.time("valid_at"), Producer: producerOf(p.Get("producer")), Value: []byte("null")}
	if p.err != nil {
		return p.err
	}
	if f.ID == "" {
		f.ID = uuid.Must(uuid.NewV7()).String()
	}
	body, err := h.body(x, r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPut {
		f.Value = jsonvalue.TrimSpace(body)
	} else if len(jsonvalue.TrimSpace(body)) > 0 {
		return &backend.InvalidError{Field: "body", Reason: "DELETE takes none"}
	}
	b := backend.Batch{Facts: []backend.Fact{f}}
	if b.Expect, err = condition(r, &f); err != nil {
		return err
	}
	w, err := q.server.Write(r.Context(), &q.client, b)
	if err != nil {
		return h.refused(r, q, err)
	}
	held := &w.Facts[0]
	status := http.StatusOK
	if w.New(held) {
		status = http.StatusCreated
	}
	x.Header().Set("ETag", etagOf(held.ID))
	x.Header().Set("Location", "/v1/facts/"+url.PathEscape(held.ID)+"?store="+url.QueryEscape(held.Store))
	setSeq(x, held.Seq)
	h.send(x, status, append(query.AppendFact(nil, held), '\n'))
	return nil
}

// condition returns the condition that a request's headers set. An empty header is an error. A client that has lost the
// ETag may send one; without a condition its write could overwrite a value that it has not read.
func condition(r *http.Request, f *backend.Fact) ([]backend.Expect, error) {
	match, none := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	e := backend.Expect{Store: f.Store, Key: f.Key}
	switch {
	case len(match)+len(none) == 0:
		return nil, nil
	case len(none) > 0 && (len(none) > 1 || len(match) > 0 || none[0] != "*"):
		return nil, &backend.InvalidError{Field: "If-None-Match", Reason: "only *, once, and not with If-Match"}
	case len(match) > 0:
		var ok bool
		if e.ID, ok = idOf(match[0]); !ok || len(match) > 1 {
			return nil, &backend.InvalidError{Field: "If-Match", Reason: "not the one ETag of a value, such as \"0197c0de-…\""}
		}
	}
	return []backend.Expect{e}, nil
}

// producerOf returns text if it is JSON, and otherwise text as a JSON string.
func producerOf(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	if jsonvalue.Check([]byte(text), backend.MaxDepth) == nil {
		return jsonvalue.TrimSpace([]byte(text))
	}
	quoted, _ := json.Marshal(text) // a string: it can't fail
	return quoted
}

// A receipt is the answer about a written fact.
type receipt struct {
	*backend.Fact
}

// MarshalJSON writes the fact without the fields that the client sent. No text in it can hold the quotes of the member that
// is cut out.
func (r receipt) MarshalJSON() ([]byte, error) {
	f := *r.Fact
	f.Value, f.Producer, f.Derivation = nil, nil, nil
	return bytes.Replace(query.AppendFact(nil, &f), []byte(`,"value":null`), nil, 1), nil
}

// writeAll writes the facts of a body, one per line, all or none.
func (h *Handler) writeAll(x *exchange, r *http.Request, q *request) error {
	if err := cmp.Or(mayWrite(r, q), asItIs(r)); err != nil {
		return err
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-ndjson" && kind != "application/json" {
		// A website may send other types without asking first (a preflight request).
		return &statusError{http.StatusUnsupportedMediaType, errors.New("send facts one a line, with Content-Type: application/x-ndjson")}
	}
	p := given(r, "expect")
	if len(r.Header.Values("If-Match"))+len(r.Header.Values("If-None-Match")) > 0 {
		p.wrong("expect", "given as a header, which is for one key: write expect=STORE/KEY=ID")
	}
	if p.err != nil {
		return p.err
	}
	var b backend.Batch
	for _, text := range p.Values["expect"] {
		e, err := expectOf(text)
		if err != nil {
			return err
		}
		b.Expect = append(b.Expect, e)
	}
	body, err := h.body(x, r)
	if err != nil {
		return err
	}
	number := 0
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		number++
		if line = jsonvalue.TrimSpace(line); len(line) == 0 {
			continue
		}
		if n := len(b.Facts); n%256 == 255 { // the memory of facts beside the body
			if err := x.holdBody(r.Context(), int64(len(body)+n*256)); err != nil {
				return err
			}
		}
		if len(b.Facts) == backend.MaxBatch {
			return fmt.Errorf("%w: more than %d facts", backend.ErrTooLarge, backend.MaxBatch)
		}
		f, err := query.ParseFact(line)
		if err != nil {
			return unprocessable(fmt.Errorf("line %d: %w", number, err))
		}
		f.Seq = 0
		if err := q.client.Grant.MayWrite(f.Store); err != nil {
			return err
		}
		b.Facts = append(b.Facts, f)
	}
	w, err := q.server.Write(r.Context(), &q.client, b)
	if err != nil {
		return h.refused(r, q, err)
	}
	answer := struct {
		Facts []receipt `json:"facts"`
		New   int       `json:"new"`
	}{Facts: []receipt{}}
	status, last := http.StatusOK, uint64(0)
	for i := range w.Facts {
		f := &w.Facts[i]
		if w.New(f) && f.Seq > last {
			answer.New++
			status = http.StatusCreated
		}
		last = max(last, f.Seq)
		answer.Facts = append(answer.Facts, receipt{f})
	}
	setSeq(x, last)
	h.answer(x, status, answer)
	return nil
}

// expectOf parses a condition: STORE/KEY=ID.
func expectOf(text string) (e backend.Expect, err error) {
	name, id, ok := strings.Cut(text, "=")
	store, key, split := strings.Cut(name, "/")
	parts := unescaped([]string{store, key, id})
	if !ok || !split || parts == nil {
		return e, &backend.InvalidError{Field: "expect", Reason: fmt.Sprintf("%q is not STORE/KEY=ID, percent-encoded", clip(text))}
	}
	return backend.Expect{Store: parts[0], Key: parts[1], ID: parts[2]}, nil
}

// body reads the body of a request.
func (h *Handler) body(x *exchange, r *http.Request) (body []byte, err error) {
	size, most := r.ContentLength, h.opts.MaxBody
	if size > most {
		return nil, fmt.Errorf("%w: the body has %d bytes, of at most %d", backend.ErrTooLarge, size, most)
	}
	in := http.MaxBytesReader(x.ResponseWriter, r.Body, most)
	for _, n := range []int64{small - 1, most} { // for a body of unknown length
		if n = min(n, most); size >= 0 {
			n = size
		}
		if err := x.holdBody(r.Context(), n); err != nil {
			return nil, err
		}
		more, err := io.ReadAll(io.LimitReader(in, n+1-int64(len(body))))
		if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, fmt.Errorf("%w: the body has more than %d bytes", backend.ErrTooLarge, tooLarge.Limit)
		} else if err != nil {
			return nil, &backend.InvalidError{Field: "body", Reason: err.Error()}
		}
		if body = append(body, more...); int64(len(body)) <= n {
			break
		}
	}
	return body, nil
}

// holdBody takes room for a body of up to n bytes. A small body waits for room, as questions do.
func (x *exchange) holdBody(ctx context.Context, n int64) error {
	if n < small {
		return x.asking.await(ctx, timesWritten*n)
	}
	err := x.large.set(timesWritten * n)
	if err == nil {
		err = x.asking.set(0)
	}
	return err
}

// unprocessable gives an error about a fact its own status.
func unprocessable(err error) error {
	if errors.Is(err, backend.ErrInvalid) {
		return &statusError{http.StatusUnprocessableEntity, err}
	}
	return err
}

// A conflictError is a conflict with the key's latest fact.
type conflictError struct {
	conflict *backend.ConflictError
	latest   json.RawMessage // nil: the client may not read it
	error
}

func (e *conflictError) Unwrap() error { return e.error }

// refused returns the error of a refused write: for a conflict, with the key's latest fact if the client may read it.
func (h *Handler) refused(r *http.Request, q *request, err error) error {
	conflict, ok := errors.AsType[*backend.ConflictError](err)
	if !ok {
		return unprocessable(err)
	}
	x := &conflictError{conflict: conflict, error: err}
	if !q.client.Grant.MayRead(conflict.Store) || q.reader == nil {
		return x
	}
	v, readErr := q.reader.Get(r.Context(), q.stores(), conflict.Store, conflict.Key, query.Moment{})
	missing, _ := errors.AsType[*query.NoValueError](readErr)
	switch {
	case readErr == nil:
		x.latest = query.AppendFact(nil, &v.Fact)
	case missing != nil && missing.Deleted != nil:
		x.latest = query.AppendFact(nil, missing.Deleted)
	case missing != nil:
		x.latest = []byte("null")
	}
	return x
}
