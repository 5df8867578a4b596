// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/server"
)

// marshal returns v as JSON, with values unchanged. It does not escape for HTML, since an answer is never part of a page.
func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// answer answers with JSON.
func (h *Handler) answer(x *exchange, status int, v any) {
	text, err := marshal(v)
	if err != nil {
		text, status = []byte(`{"error_code":"internal_error","error":"the answer can't be written as JSON"}`), http.StatusInternalServerError
	}
	h.send(x, status, append(text, '\n'))
}

// send sends a JSON answer. It cuts off a client that does not read it in time.
func (h *Handler) send(x *exchange, status int, text []byte) {
	x.Header().Set("Content-Type", "application/json")
	x.deadline(h.opts.WriteTimeout)
	x.WriteHeader(status)
	_, _ = x.Write(text)
}

// found answers a read with JSON and an ETag, compressed if the client accepts that. seq is the log's last seq at the read.
func (h *Handler) found(x *exchange, r *http.Request, seq uint64, v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	return h.sendFound(x, r, seq, tagOf(text), append(text, '\n'))
}

// tagOf returns the ETag of an answer.
func tagOf(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// sendFound is found for a given text and ETag.
func (h *Handler) sendFound(x *exchange, r *http.Request, seq uint64, etag string, text []byte) error {
	if err := x.large.setLarge(len(text)); err != nil {
		return err
	}
	header := x.Header()
	header.Set("Cache-Control", "private, no-cache") // a cache must revalidate with the ETag
	header.Add("Vary", "Authorization")
	header.Set("ETag", etag)
	header.Set("Igniter-Seq", strconv.FormatUint(seq, 10))
	if matches(r.Header.Get("If-None-Match"), etag) {
		x.WriteHeader(http.StatusNotModified)
		return nil
	}
	if len(text) >= minCompressed {
		var out bytes.Buffer
		if c, done := compress(x, r); c != nil {
			c.Reset(&out)
			_, err := c.Write(text)
			if err == nil && c.Close() == nil {
				text = out.Bytes()
			} else {
				header.Del("Content-Encoding")
			}
			done() // before the client reads the answer, since it may be slow
		}
	}
	h.send(x, http.StatusOK, text)
	return nil
}

// matches reports whether a header lists an ETag, by the weak comparison that browsers and proxies use.
func matches(given, etag string) bool {
	for one := range strings.SplitSeq(given, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == etag || one == "*" {
			return true
		}
	}
	return false
}

// A statusError is an error with an HTTP status of its own.
type statusError struct {
	status int
	error
}

func (e *statusError) Unwrap() error { return e.error }

// An errBegun is the error of an answer of which a part was already sent.
type errBegun struct{ error }

func errNothingAt(r *http.Request) error {
	return &statusError{http.StatusNotFound, fmt.Errorf("there is nothing at %s", r.URL.EscapedPath())}
}

// fail answers with an error.
func (h *Handler) fail(x *exchange, r *http.Request, err error) {
	begun, ok := errors.AsType[errBegun](err)
	if ok {
		err = begun.error
	}
	h.count(err)
	if ok {
		h.opts.Logger.Info("an answer was cut off", zap.String("path", r.URL.Path), zap.String("client", r.RemoteAddr), zap.Error(err))
		panic(http.ErrAbortHandler) // the only way to tell the client that the answer is incomplete
	}
	x.Header().Del("Content-Encoding") // of an answer that did not begin
	status := statusOf(err)
	switch status {
	case http.StatusUnauthorized:
		x.Header().Set("WWW-Authenticate", `Bearer realm="igniter"`)
	case http.StatusServiceUnavailable:
		x.Header().Set("Retry-After", "1")
	case http.StatusInternalServerError:
		h.opts.Logger.Error("a request failed", zap.String("path", r.URL.Path), zap.Error(err))
	}
	answer := x.failureOf(err)
	answer.Code = codeOf(err, status)
	if missing, ok := errors.AsType[*query.NoValueError](err); ok {
		x.Header().Set("Igniter-Seq", strconv.FormatUint(missing.Seq, 10))
	}
	h.answer(x, status, answer)
}

// failureOf returns the answer for an error, without details that the client may not know.
func (x *exchange) failureOf(err error) failure {
	if statusOf(err) >= http.StatusInternalServerError {
		err = server.Withhold(&x.grant, err)
	}
	return failureOf(err)
}

// failureOf returns the answer for an error, with all its details.
func failureOf(err error) failure {
	answer := failure{Code: protocol.ErrorCode(err), Error: strings.ReplaceAll(err.Error(), "\n", ": ")}
	if diverged, ok := errors.AsType[*backend.DivergedError](err); ok {
		answer.Cursor, answer.Log, answer.Common = diverged.Cursor.String(), diverged.Log.String(), &diverged.Common
	}
	if missing, ok := errors.AsType[*query.NoValueError](err); ok {
		answer.Store, answer.Key = missing.Store, &missing.Key
		if missing.Deleted != nil {
			answer.Fact = query.AppendFact(nil, missing.Deleted)
		}
	}
	if cost, ok := errors.AsType[*query.NotLoadedError](err); ok {
		answer.Store, answer.Facts, answer.Bytes = cost.Store, cost.Facts, cost.Bytes
	}
	if conflict, ok := errors.AsType[*conflictError](err); ok {
		answer.Store, answer.Key, answer.Latest = conflict.conflict.Store, &conflict.conflict.Key, conflict.latest
	}
	if compacted, ok := errors.AsType[*backend.CompactedError](err); ok {
		answer.Store, answer.Horizon = compacted.Store, &compacted.Horizon
	}
	return answer
}

// A failure is the answer to a request that failed.
type failure struct {
	Code    string           `json:"error_code"`
	Error   string           `json:"error"`
	Cursor  string           `json:"cursor,omitempty"` // of a *backend.DivergedError, like the two fields after it
	Log     string           `json:"log,omitempty"`
	Common  *uint64          `json:"common,omitempty"`
	Store   string           `json:"store,omitempty"`   // of the errors below
	Horizon *backend.Horizon `json:"horizon,omitempty"` // of a *backend.CompactedError
	Key     *string          `json:"key,omitempty"`     // of a *query.NoValueError, and of a conflict
	Fact    json.RawMessage  `json:"fact,omitempty"`    // the retraction, of a *query.NoValueError
	Latest  json.RawMessage  `json:"latest,omitempty"`  // the key's latest fact, or null, of a conflict
	Facts   uint64           `json:"facts,omitempty"`   // of a *query.NotLoadedError
	Bytes   uint64           `json:"bytes,omitempty"`   // of a *query.NotLoadedError
}

// codeOf returns the code of an error that is answered with a status.
func codeOf(err error, status int) string {
	if missing, ok := errors.AsType[*query.NoValueError](err); ok {
		if missing.Deleted != nil {
			return "deleted"
		}
		return "never_written"
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return "invalid_request"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusPreconditionRequired:
		return "not_loaded"
	}
	return protocol.ErrorCode(err)
}

// count tells the server about a request that failed because of the log.
func (h *Handler) count(err error) {
	s := h.now().server
	for _, failure := range []error{backend.ErrFull, backend.ErrFailed, backend.ErrCorrupt, syscall.EMFILE, syscall.ENFILE} {
		if s != nil && errors.Is(err, failure) {
			s.Failed(err)
			return
		}
	}
}

// statusOf returns the HTTP status for an error; 200 for nil.
func statusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if own, ok := errors.AsType[*statusError](err); ok {
		return own.status
	}
	if _, ok := errors.AsType[*query.NotLoadedError](err); ok {
		return http.StatusPreconditionRequired
	}
	for _, s := range []struct {
		err    error
		status int
	}{
		{query.ErrNotFound, http.StatusNotFound}, {backend.ErrConflict, http.StatusConflict}, {backend.ErrIDReused, http.StatusConflict},
		{backend.ErrTooLarge, http.StatusRequestEntityTooLarge}, {backend.ErrFull, http.StatusInsufficientStorage},
		{backend.ErrUnauthenticated, http.StatusUnauthorized}, {backend.ErrForbidden, http.StatusForbidden},
		{backend.ErrInvalid, http.StatusBadRequest}, {backend.ErrDiverged, http.StatusConflict}, {backend.ErrCompacted, http.StatusGone}, {errors.ErrUnsupported, http.StatusNotImplemented},
		{backend.ErrAccessChanged, http.StatusServiceUnavailable},
		{backend.ErrUnavailable, http.StatusServiceUnavailable}, {backend.ErrClosed, http.StatusServiceUnavailable},
		{context.Canceled, http.StatusServiceUnavailable}, {context.DeadlineExceeded, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	if protocol.ErrorCode(err) == "unavailable" {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
