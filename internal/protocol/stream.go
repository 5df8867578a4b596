package protocol

import (
	"encoding/json"
	"strconv"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/internal/uuidtext"
)

// A ControlFrame is a body of a server's stream that holds no facts.
type ControlFrame struct {
	End     bool   // the stream ends here, with all that was asked for; otherwise this is a heartbeat
	LastSeq uint64 // the log was read through here; what was sent before it is whole pages
}

// AppendStream appends the answer to a request for a replay or a subscription: through is how far the log was read for
// the first page. Frames follow the answer, see the package's comment.
func AppendStream(dst []byte, through backend.Cursor, id []byte) []byte {
	dst = AppendNumber(append(OpenAnswer(dst), `,"stream":true`...), "last_seq", through.Seq)
	if through.Log != (backend.LogID{}) {
		dst = appendField(dst, "log", through.Log.String())
	}
	return CloseAnswer(dst, id)
}

// ParseStream parses the answer that begins a stream, and returns how far the log was read for the first page.
func ParseStream(body []byte) (through backend.Cursor, err error) {
	var a struct {
		LastSeq uint64 `json:"last_seq"`
		Log     string
	}
	if err = ParseAnswer(body, &a); err != nil {
		return through, err
	}
	through.Seq = a.LastSeq
	through.Log, err = parseLogID(a.Log)
	return through, err
}

// parseLogID parses an identity; "": zero.
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

// AppendEnd appends the body that ends a replay.
func AppendEnd(dst []byte, last uint64) []byte {
	return append(strconv.AppendUint(append(dst, `{"end":true,"last_seq":`...), last, 10), '}')
}

// AppendHeartbeat appends the body by which a subscription says how far it has read the log.
func AppendHeartbeat(dst []byte, last uint64) []byte {
	return append(strconv.AppendUint(append(dst, `{"event":"heartbeat","last_seq":`...), last, 10), '}')
}

// IsControl reports whether a body of a server's stream holds no facts and is for [ParseControl].
func IsControl(body []byte) bool { return body[0] != '[' && !has(body, 0, `{"seq":`) }

// ParseControl parses a body for which [IsControl] holds. If it says that the stream failed, it returns that error.
func ParseControl(body []byte) (ControlFrame, error) {
	var s struct {
		OK      *bool
		End     bool
		LastSeq uint64 `json:"last_seq"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return ControlFrame{}, &backend.InvalidError{Field: "stream", Reason: jsonvalue.Excerpt(body) + " is no message of a stream"}
	}
	if s.OK != nil && !*s.OK {
		return ControlFrame{}, ParseError(body)
	}
	return ControlFrame{End: s.End, LastSeq: s.LastSeq}, nil
}
