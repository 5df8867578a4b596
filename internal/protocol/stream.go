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

// AppendStream appends the answer to a request for a replay or a subscription of a log with an identity. Frames follow
// it, see the package's comment.
func AppendStream(dst []byte, log backend.LogID, id []byte) []byte {
	dst = append(OpenAnswer(dst), `,"stream":true`...)
	if log != (backend.LogID{}) {
		dst = appendField(dst, "log", log.String())
	}
	return CloseAnswer(dst, id)
}

// ParseStream parses the answer that begins a stream.
func ParseStream(body []byte) (backend.LogID, error) {
	var a struct{ Log string }
	err := ParseAnswer(body, &a)
	if err != nil {
		return backend.LogID{}, err
	}
	return parseLogID(a.Log)
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
