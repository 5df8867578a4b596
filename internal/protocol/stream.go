package protocol

import (
	"encoding/json"
	"strconv"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// A ControlFrame is a body of a server's stream that is no part of the log.
type ControlFrame struct {
	Heartbeat bool   // nothing came for a while, and the connection is alive
	End       bool   // the stream ends here, with all that was asked for
	LastSeq   uint64 // the seq through which the log was sent
}

// AppendStream appends the answer to a request for a replay, and AppendSubscribed that to one for a
// subscription: log frames follow it.
func AppendStream(dst []byte, last uint64, id []byte) []byte {
	dst = append(OpenAnswer(dst), `,"stream":true`...)
	return CloseAnswer(AppendNumber(dst, "last_seq", last), id)
}

// AppendSubscribed is described with AppendStream.
func AppendSubscribed(dst []byte, last uint64, id []byte) []byte {
	return CloseAnswer(AppendNumber(OpenAnswer(dst), "last_seq", last), id)
}

// AppendEnd appends the body that ends a replay.
func AppendEnd(dst []byte, last uint64) []byte {
	return append(strconv.AppendUint(append(dst, `{"end":true,"last_seq":`...), last, 10), '}')
}

// AppendHeartbeat appends the body that a subscription sends when it has nothing else to send.
func AppendHeartbeat(dst []byte, last uint64) []byte {
	return append(strconv.AppendUint(append(dst, `{"event":"heartbeat","last_seq":`...), last, 10), '}')
}

// IsControl reports whether a body of a server's stream is no part of the log, but for [ParseControl].
func IsControl(body []byte) bool { return body[0] != '[' && !has(body, 0, `{"seq":`) }

// ParseControl parses a body for which [IsControl] holds. An answer that says that the stream failed is
// the error that it tells of.
func ParseControl(body []byte) (ControlFrame, error) {
	var s struct {
		OK      *bool
		Event   string
		End     bool
		LastSeq uint64 `json:"last_seq"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return ControlFrame{}, &backend.InvalidError{Field: "stream", Reason: jsonvalue.Excerpt(body) + " is none of a stream's messages"}
	}
	if s.OK != nil && !*s.OK {
		return ControlFrame{}, ParseError(body)
	}
	return ControlFrame{Heartbeat: s.Event == "heartbeat", End: s.End, LastSeq: s.LastSeq}, nil
}
