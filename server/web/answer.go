package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// answer answers with JSON.
func (h *Handler) answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text, status = []byte(`{"error_code":"internal_error","error":"the answer can't be written as JSON"}`), http.StatusInternalServerError
	}
	h.send(w, status, append(text, '\n'))
}

// send sends a JSON answer. It cuts off a client that does not read it in time.
func (h *Handler) send(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.opts.WriteTimeout))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// A statusError is an error with an HTTP status of its own.
type statusError struct {
	status int
	error
}

func (e *statusError) Unwrap() error { return e.error }

// An errBegun ends an answer of which a part was sent.
type errBegun struct{ error }

func errNothingAt(r *http.Request) error {
	return &statusError{http.StatusNotFound, fmt.Errorf("there is nothing at %s", r.URL.EscapedPath())}
}

// fail answers with an error.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	begun, ok := errors.AsType[errBegun](err)
	if ok {
		err = begun.error
	}
	h.count(err)
	if ok {
		h.opts.Logger.Info("an answer was cut off", zap.String("path", r.URL.Path), zap.String("client", r.RemoteAddr), zap.Error(err))
		panic(http.ErrAbortHandler) // the only way to tell the client that the answer is not whole
	}
	status := statusOf(err)
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="igniter"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusInternalServerError:
		h.opts.Logger.Error("a request failed", zap.String("path", r.URL.Path), zap.Error(err))
	}
	answer := failureOf(err)
	switch status {
	case http.StatusBadRequest:
		answer.Code = "invalid_request"
	case http.StatusNotFound:
		answer.Code = "not_found"
	case http.StatusMethodNotAllowed:
		answer.Code = "method_not_allowed"
	}
	h.answer(w, status, answer)
}

// failureOf returns what a client is told of an error.
func failureOf(err error) failure {
	answer := failure{Code: protocol.ErrorCode(err), Error: strings.ReplaceAll(err.Error(), "\n", ": ")}
	if diverged, ok := errors.AsType[*backend.DivergedError](err); ok {
		answer.Cursor, answer.Log, answer.Common = diverged.Cursor.String(), diverged.Log.String(), &diverged.Common
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
	Store   string           `json:"store,omitempty"`   // of a *backend.CompactedError
	Horizon *backend.Horizon `json:"horizon,omitempty"` // of a *backend.CompactedError
}

// count tells the server of a request that the log made fail.
func (h *Handler) count(err error) {
	s := h.attached().server
	for _, failure := range []error{backend.ErrFull, backend.ErrFailed, backend.ErrCorrupt, syscall.EMFILE, syscall.ENFILE} {
		if s != nil && errors.Is(err, failure) {
			s.Failed(err)
			return
		}
	}
}

// statusOf returns the HTTP status of an error.
func statusOf(err error) int {
	if own, ok := errors.AsType[*statusError](err); ok {
		return own.status
	}
	for _, s := range []struct {
		err    error
		status int
	}{
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
