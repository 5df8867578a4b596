// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// ErrUnknownOp says that the peer does not know the op, since it speaks an older version of the protocol.
var ErrUnknownOp = errors.New("protocol: unknown op")

// ErrInternal says that the peer failed in a way that has no code of its own. The error has the peer's
// words.
var ErrInternal = errors.New("protocol: internal error")

// codeInvalidRequest is the code of a [RequestError].
const codeInvalidRequest = "invalid_request"

// codes are the error codes of the protocol, each with the error that it stands for. An error that matches several gets the
// first.
var codes = []struct {
	code string
	err  error
}{
	{"unknown_op", ErrUnknownOp},
	{"diverged", backend.ErrDiverged},
	{"compacted", backend.ErrCompacted},
	{"access_changed", backend.ErrAccessChanged},
	{"conflict", backend.ErrConflict},
	{"id_reused", backend.ErrIDReused},
	{"invalid_fact", backend.ErrInvalid},
	{codeInvalidRequest, backend.ErrInvalid},
	{"too_large", backend.ErrTooLarge},
	{"unauthenticated", backend.ErrUnauthenticated},
	{"forbidden", backend.ErrForbidden},
	{"storage_full", backend.ErrFull},
	{"storage_failed", backend.ErrFailed},
	{"corrupt", backend.ErrCorrupt},
	{"unavailable", backend.ErrUnavailable},
	{"unavailable", syscall.EMFILE}, // it passes
	{"unavailable", syscall.ENFILE},
	{"unavailable", backend.ErrClosed}, // the peer's backend, not the caller's
	{"unsupported", errors.ErrUnsupported},
}

// A RequestError says that a request is wrong, rather than a fact in it. Its code is invalid_request.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RequestError) Unwrap() error { return e.Err }

// ErrorCodes returns all codes, each once.
func ErrorCodes() []string {
	all := []string{CodeInternal}
	for _, c := range codes {
		if !slices.Contains(all, c.code) {
			all = append(all, c.code)
		}
	}
	return all
}

// CodeInternal is the code of an error that has none of its own.
const CodeInternal = "internal_error"

// ErrorCode returns the code of an error.
func ErrorCode(err error) string {
	var request *RequestError
	if errors.As(err, &request) && errors.Is(err, backend.ErrInvalid) {
		return codeInvalidRequest
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return CodeInternal
}

// AppendError appends the answer to a request that failed: the error's code, its text, and the fields
// from which [ParseError] makes the same error.
func AppendError(dst []byte, err error, id []byte) []byte {
	return appendError(dst, ErrorCode(err), err.Error(), err, id)
}

// AppendUnknownOp appends the answer to a request whose op is not known.
func AppendUnknownOp(dst []byte, op string, id []byte) []byte {
	return appendError(dst, "unknown_op", "Unknown op: "+string(jsonvalue.AppendText(nil, clip(op))), nil, id)
}

// maxText limits the length of a text in an error, roughly: the text may quote the request.
const maxText = 8 << 10

// clip returns s as valid UTF-8 that is not too long.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "..."
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func appendError(dst []byte, code, message string, err error, id []byte) []byte {
	dst = append(dst, `{"ok":false`...)
	dst = appendField(dst, "error_code", code)
	dst = appendWords(dst, "error", message)
	var conflict *backend.ConflictError
	var invalid *backend.InvalidError
	var corrupt *backend.CorruptError
	var diverged *backend.DivergedError
	var compacted *backend.CompactedError
	switch {
	case errors.As(err, &compacted):
		dst = appendWords(dst, "store", compacted.Store)
		text, _ := json.Marshal(horizonOf(compacted.Horizon)) // numbers: it can't fail
		dst = append(appendKey(dst, "horizon"), text...)
	case errors.As(err, &diverged):
		dst = appendField(dst, "cursor", diverged.Cursor.String())
		dst = appendField(dst, "log", diverged.Log.String())
		dst = AppendNumber(dst, "common", diverged.Common)
	case errors.As(err, &conflict):
		dst = appendWords(dst, "store", conflict.Store)
		dst = appendWords(dst, "key", conflict.Key)
		dst = appendWords(dst, "expected", conflict.Expected)
		dst = appendWords(dst, "latest", conflict.Latest)
	case errors.As(err, &invalid):
		dst = appendWords(dst, "field", invalid.Field)
		dst = appendWords(dst, "reason", invalid.Reason)
	case errors.As(err, &corrupt):
		dst = appendWords(dst, "path", corrupt.Path)
		dst = strconv.AppendInt(appendKey(dst, "offset"), corrupt.Offset, 10)
		dst = appendWords(dst, "reason", corrupt.Reason)
	}
	return CloseAnswer(dst, id)
}

// appendWords appends a field with a text that may be long or not valid UTF-8, such as a path.
func appendWords(dst []byte, name, value string) []byte { return appendField(dst, name, clip(value)) }

// A peerError is an error that a peer answered. It wraps the error that its code stands for.
type peerError struct {
	message string
	err     error
}

func (e *peerError) Error() string { return e.message }
func (e *peerError) Unwrap() error { return e.err }

// ParseError returns the error in an answer. It has the peer's words and matches the same sentinel and
// typed error of package backend as the peer's error. An unknown code is an ErrInternal.
func ParseError(body []byte) error {
	var a struct {
		Code    string `json:"error_code"`
		Message string `json:"error"`

		Store, Key, Expected, Latest string
		Field, Reason, Path          string
		Offset                       int64
		Cursor, Log                  string
		Common                       uint64
		Horizon                      horizon
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return &backend.InvalidError{Field: "answer", Reason: err.Error()}
	}
	e := &peerError{message: a.Message, err: ErrInternal}
	for _, c := range codes {
		if c.code == a.Code {
			e.err = c.err
			break
		}
	}
	switch e.err {
	case backend.ErrCompacted:
		h, _ := a.Horizon.parse()
		e.err = &backend.CompactedError{Store: a.Store, Horizon: h}
	case backend.ErrDiverged:
		cursor, _ := backend.ParseCursor(a.Cursor)
		log, _ := parseLogID(a.Log)
		e.err = &backend.DivergedError{Cursor: cursor, Log: log, Common: a.Common}
	case backend.ErrConflict:
		e.err = &backend.ConflictError{Store: a.Store, Key: a.Key, Expected: a.Expected, Latest: a.Latest}
	case backend.ErrInvalid:
		if e.err = (&backend.InvalidError{Field: a.Field, Reason: a.Reason}); a.Code == codeInvalidRequest {
			e.err = &RequestError{e.err}
		}
	case backend.ErrCorrupt:
		e.err = &backend.CorruptError{Path: a.Path, Offset: a.Offset, Reason: a.Reason}
	}
	if e.message == "" {
		e.message = e.err.Error()
	}
	return e
}

// IsError reports whether an answer says that the request failed. [ParseError] parses it then.
func IsError(body []byte) bool { return bytes.HasPrefix(body, []byte(`{"ok":false`)) }
