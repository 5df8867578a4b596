// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"bytes"
	"encoding/json"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/uuidtext"
)

// A ControlFrame is a body in a server's stream that holds no facts.
type ControlFrame struct {
	End     bool   // the stream ends here: everything asked for was sent; otherwise this is a heartbeat
	LastSeq uint64 // the log was read through this seq, and whole pages were sent

	Horizons map[string]backend.Horizon // of the page that comes next, see [backend.Page]; nil: none
}

// AppendStream appends the answer to a request for a replay or a subscription: through is how far the log was read for
// the first page, and horizons are that page's. Frames follow the answer, see the package's comment.
func AppendStream(dst []byte, through backend.Cursor, horizons map[string]backend.Horizon, id []byte) []byte {
	dst = AppendNumber(append(OpenAnswer(dst), `,"stream":true`...), "last_seq", through.Seq)
	if through.Log != (backend.LogID{}) {
		dst = appendField(dst, "log", through.Log.String())
	}
	return CloseAnswer(appendHorizons(dst, horizons), id)
}

// ParseStream parses the answer that begins a stream, and returns how far the log was read for the first page, and that
// page's horizons.
func ParseStream(body []byte) (through backend.Cursor, horizons map[string]backend.Horizon, err error) {
	var a struct {
		LastSeq  uint64 `json:"last_seq"`
		Log      string
		Horizons map[string]horizon
	}
	if err = ParseAnswer(body, &a); err != nil {
		return through, nil, err
	}
	through.Seq = a.LastSeq
	if through.Log, err = parseLogID(a.Log); err == nil {
		horizons, err = parseHorizons(a.Horizons)
	}
	return through, horizons, err
}

func parseLogID(text string) (backend.LogID, error) {
	if text == "" {
		return backend.LogID{}, nil
	}
	id, ok := uuidtext.Parse(text)
	if !ok {
		return backend.LogID{}, &backend.InvalidError{Field: "log", Reason: jsonvalue.Excerpt([]byte(text)) + " is not a UUID"}
	}
	return id, nil
}

// AppendEnd appends the control frame that ends a stream whose log was read through last.
func AppendEnd(dst []byte, last uint64) []byte {
	return append(AppendNumber(append(dst, `{"end":true`...), "last_seq", last), '}')
}

// AppendHeartbeat appends the control frame that says that a stream has read the log through last, and which horizons the
// page has that comes next.
func AppendHeartbeat(dst []byte, last uint64, horizons map[string]backend.Horizon) []byte {
	dst = AppendNumber(append(dst, `{"event":"heartbeat"`...), "last_seq", last)
	return append(appendHorizons(dst, horizons), '}')
}

// IsControl reports whether a body in a server's stream holds no facts. [ParseControl] parses it then.
func IsControl(body []byte) bool { return body[0] != '[' && !bytes.HasPrefix(body, []byte(`{"seq":`)) }

// ParseControl parses a body for which [IsControl] holds. An answer that says that the stream failed is returned as
// the error in it.
func ParseControl(body []byte) (ControlFrame, error) {
	var f struct {
		OK      *bool
		End     bool
		LastSeq uint64 `json:"last_seq"`

		Horizons map[string]horizon
	}
	if err := json.Unmarshal(body, &f); err != nil {
		return ControlFrame{}, &backend.InvalidError{Field: "stream", Reason: jsonvalue.Excerpt(body) + " does not belong in a stream"}
	}
	if f.OK != nil && !*f.OK {
		return ControlFrame{}, ParseError(body)
	}
	horizons, err := parseHorizons(f.Horizons)
	return ControlFrame{End: f.End, LastSeq: f.LastSeq, Horizons: horizons}, err
}
