package protocol

import (
	"bytes"
	"encoding/json"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
)

// A ControlFrame is a body in a server's stream that does not belong to the log.
type ControlFrame struct {
	Heartbeat bool   // the stream is idle and the connection alive
	End       bool   // the stream ends here: everything asked for was sent
	LastSeq   uint64 // the log was sent through this seq
}

// AppendStream appends the answer to [OpReplay]. The log's frames follow it.
func AppendStream(dst []byte, last uint64, id []byte) []byte {
	dst = append(OpenAnswer(dst), `,"stream":true`...)
	return CloseAnswer(AppendNumber(dst, "last_seq", last), id)
}

// AppendSubscribed appends the answer to [OpSubscribe]. The log's frames follow it.
func AppendSubscribed(dst []byte, last uint64, id []byte) []byte {
	return CloseAnswer(AppendNumber(OpenAnswer(dst), "last_seq", last), id)
}

// AppendEnd appends the control frame that ends a replay.
func AppendEnd(dst []byte, last uint64) []byte {
	return append(AppendNumber(append(dst, `{"end":true`...), "last_seq", last), '}')
}

// AppendHeartbeat appends the control frame that a subscription sends while it is idle.
func AppendHeartbeat(dst []byte, last uint64) []byte {
	return append(AppendNumber(append(dst, `{"event":"heartbeat"`...), "last_seq", last), '}')
}

// IsControl reports whether a body in a server's stream does not belong to the log. [ParseControl]
// parses it then.
func IsControl(body []byte) bool { return body[0] != '[' && !bytes.HasPrefix(body, []byte(`{"seq":`)) }

// ParseControl parses a body for which [IsControl] holds. An answer that says that the stream failed is
// returned as the error that it tells of.
func ParseControl(body []byte) (ControlFrame, error) {
	var f struct {
		OK      *bool
		Event   string
		End     bool
		LastSeq uint64 `json:"last_seq"`
	}
	if err := json.Unmarshal(body, &f); err != nil {
		return ControlFrame{}, &backend.InvalidError{Field: "stream", Reason: jsonvalue.Excerpt(body) + " does not belong in a stream"}
	}
	if f.OK != nil && !*f.OK {
		return ControlFrame{}, ParseError(body)
	}
	return ControlFrame{Heartbeat: f.Event == "heartbeat", End: f.End, LastSeq: f.LastSeq}, nil
}
