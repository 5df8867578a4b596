// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/protocol"
)

// codes has every error code of the protocol, with errors that have it, and the sentinel that the client gets.
var codes = []struct {
	code     string
	err      error
	sentinel error
}{
	{"unknown_op", protocol.ErrUnknownOp, protocol.ErrUnknownOp},
	{"internal_error", io.ErrShortWrite, protocol.ErrInternal},
	{"internal_error", protocol.ErrInternal, protocol.ErrInternal},
	{"invalid_request", &protocol.RequestError{Err: &backend.InvalidError{Field: "after", Reason: "no number"}}, backend.ErrInvalid},
	{"invalid_fact", &backend.InvalidError{Field: "facts[3].value", Reason: "em\"pty\n"}, backend.ErrInvalid},
	{"too_large", backend.ErrTooLarge, backend.ErrTooLarge},
	{"conflict", &backend.ConflictError{Store: "s", Key: "k\x00", Expected: "a", Latest: "é"}, backend.ErrConflict},
	{"conflict", &backend.ConflictError{Store: "s"}, backend.ErrConflict},
	{"id_reused", backend.ErrIDReused, backend.ErrIDReused},
	{"unauthenticated", backend.ErrUnauthenticated, backend.ErrUnauthenticated},
	{"forbidden", backend.ErrForbidden, backend.ErrForbidden},
	{"unavailable", backend.ErrUnavailable, backend.ErrUnavailable},
	{"unavailable", backend.ErrClosed, backend.ErrUnavailable}, // the peer's log is closed, not the client
	{"storage_full", backend.ErrFull, backend.ErrFull},
	{"storage_failed", backend.ErrFailed, backend.ErrFailed},
	{"corrupt", &backend.CorruptError{Path: "/a/b", Offset: -7, Reason: "wrong CRC"}, backend.ErrCorrupt},
	{"corrupt", backend.ErrCorrupt, backend.ErrCorrupt},
	{"unsupported", errors.ErrUnsupported, errors.ErrUnsupported},
	{"diverged", &backend.DivergedError{Cursor: backend.Cursor{Log: backend.LogID{1}, Seq: 7}, Log: backend.LogID{15: 2}, Common: 5}, backend.ErrDiverged},
	{"compacted", &backend.CompactedError{Store: "tasks", Horizon: backend.Horizon{Seq: 1<<64 - 1, Time: time.Unix(7, 9).UTC()}}, backend.ErrCompacted},
	{"diverged", &backend.DivergedError{Cursor: backend.Cursor{Seq: 1<<64 - 1}}, backend.ErrDiverged},
	{"access_changed", backend.ErrAccessChanged, backend.ErrAccessChanged},
}

func sentinels() []error {
	return []error{protocol.ErrUnknownOp, protocol.ErrInternal, backend.ErrInvalid, backend.ErrTooLarge, backend.ErrConflict, backend.ErrIDReused,
		backend.ErrUnauthenticated, backend.ErrForbidden, backend.ErrUnavailable, backend.ErrClosed, backend.ErrFull, backend.ErrFailed,
		backend.ErrCorrupt, errors.ErrUnsupported, backend.ErrDiverged, backend.ErrAccessChanged, backend.ErrCompacted}
}

// TestErrorsKeepIdentity sends an error of every code, and expects the same sentinel, the same typed error and the same
// text.
func TestErrorsKeepIdentity(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range codes {
		for _, err := range []error{c.err, fmt.Errorf("write fact %q: %w", "é\x01\"", c.err)} {
			t.Run(c.code, func(t *testing.T) {
				seen[c.code] = true
				require.Equal(t, c.code, protocol.ErrorCode(err))
				for _, id := range []string{"", `7`, `"r-1"`, `{"a":[null]}`} {
					body := protocol.AppendError([]byte("x"), err, idOf(id))[1:]
					require.NoError(t, jsonvalue.Check(body, 9))
					require.True(t, protocol.IsError(body))
					requireID(t, body, id)
					got := protocol.ParseError(body)
					require.Equal(t, err.Error(), got.Error())
					for _, s := range sentinels() {
						require.Equal(t, s == c.sentinel, errors.Is(got, s), "%v is %v", got, s)
					}
					require.Equal(t, protocol.ParseAnswer(body, nil), got)
					require.Equal(t, protocol.ErrorCode(got), c.code, "and passes on")
					sameType[*backend.ConflictError](t, err, got)
					sameType[*backend.InvalidError](t, err, got)
					sameType[*protocol.RequestError](t, err, got)
					sameType[*backend.DivergedError](t, err, got)
					sameType[*backend.CompactedError](t, err, got)
					if c.err != backend.ErrCorrupt { // it has no further fields
						sameType[*backend.CorruptError](t, err, got)
					}
				}
			})
		}
	}
	require.Len(t, seen, 17, "the codes that the protocol has")
}

func sameType[T error](t testing.TB, sent, got error) {
	want, ok := errors.AsType[T](sent)
	have, okToo := errors.AsType[T](got)
	require.Equal(t, ok, okToo)
	if ok {
		require.Equal(t, want, have)
	}
}

func idOf(id string) []byte {
	if id == "" {
		return nil
	}
	return []byte(id)
}

// requireID requires that an answer repeats a request's ID, as its last key.
func requireID(t testing.TB, body []byte, id string) {
	t.Helper()
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &fields))
	require.Equal(t, id, string(fields["request_id"]))
	if id != "" {
		require.Contains(t, string(body), `,"request_id":`+id+`}`)
	}
}

// TestErrorsAreUTF8 sends errors whose texts are not UTF-8, for example because of a path.
func TestErrorsAreUTF8(t *testing.T) {
	bad := "a\xff\xc0b\xed\xa0\x80"
	for _, err := range []error{
		errors.New(bad), fmt.Errorf("%s: %w", bad, backend.ErrFull), &backend.ConflictError{Store: bad, Key: bad, Expected: bad, Latest: bad},
		&backend.InvalidError{Field: bad, Reason: bad}, &backend.CorruptError{Path: bad, Offset: 3, Reason: bad},
	} {
		body := protocol.AppendError(nil, err, nil)
		require.NoError(t, jsonvalue.Check(body, 1), "%q", body)
		got := protocol.ParseError(body)
		require.True(t, utf8.ValidString(got.Error()))
		require.Equal(t, protocol.ErrorCode(err), protocol.ErrorCode(got))
	}
}

func TestOddErrors(t *testing.T) {
	for body, want := range map[string]error{
		`{"ok":false}`: protocol.ErrInternal,
		`{"ok":false,"error_code":"from_the_future","error":"x"}`: protocol.ErrInternal,
		`{"ok":false,"error_code":"conflict"}`:                    backend.ErrConflict,
		`{"ok":false,"error_code":"corrupt","offset":1.5}`:        backend.ErrInvalid,
		`{"ok":false,"error_code":7}`:                             backend.ErrInvalid,
		`{"ok":false,`:                                            backend.ErrInvalid,
	} {
		err := protocol.ParseError([]byte(body))
		require.ErrorIs(t, err, want, body)
		require.NotEmpty(t, err.Error())
	}
	require.Equal(t, `{"ok":false,"error_code":"unknown_op","error":"Unknown op: \"no\\\"pe\"","request_id":1}`, string(protocol.AppendUnknownOp(nil, `no"pe`, []byte("1"))))
	require.ErrorIs(t, protocol.ParseError(protocol.AppendUnknownOp(nil, "nope", nil)), protocol.ErrUnknownOp)
}
