// SPDX-License-Identifier: Apache-2.0

package protocol

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/jsonvalue"
	"github.com/igniter-store/igniter/wire"
)

// OpenAnswer begins the answer to a request that succeeded. The caller appends fields, each after a comma, and completes it
// with [CloseAnswer].
func OpenAnswer(dst []byte) []byte { return append(dst, `{"ok":true`...) }

// CloseAnswer completes an answer. id is the request's ID, which the answer repeats as its last key,
// here and in the functions below; nil if the request has none.
func CloseAnswer(dst, id []byte) []byte {
	if id != nil {
		dst = append(appendKey(dst, "request_id"), id...)
	}
	return append(dst, '}')
}

// AppendNumber appends a field with a whole number, after others.
func AppendNumber(dst []byte, name string, n uint64) []byte {
	return strconv.AppendUint(appendKey(dst, name), n, 10)
}

// parseFacts parses an answer with an array of facts, and checks every byte except the facts. It calls
// fact with the position of each, and fact returns the position after it.
func parseFacts(body []byte, fact func(at int) (end int, err error)) error {
	done, facts := false, -1
	end, err := jsonvalue.Object(body, 0, func(name string, at int) (end int, err error) {
		if name == "facts" {
			facts = at
			return jsonvalue.Skip(body, at), nil
		}
		if end, err = jsonvalue.Value(body, at, maxDepth); name == "ok" && err == nil {
			done = string(body[at:end]) == "true"
		}
		return end, err
	})
	if err == nil {
		err = jsonvalue.End(body, end)
	}
	if err == nil && !done {
		err = ParseAnswer(body, nil)
	}
	if err == nil && facts < 0 {
		err = &backend.InvalidError{Field: "facts", Reason: "missing in an answer"}
	}
	if err == nil {
		_, err = jsonvalue.Array(body, facts, fact)
	}
	return invalid("answer", err)
}

// ParseAnswer parses an answer into a struct, as encoding/json does; if into is nil, it only checks that
// body is an answer. If the answer says that the request failed, the error is the one in the answer, see
// [ParseError]. A body that is not an answer is a *backend.InvalidError.
func ParseAnswer(body []byte, into any) error {
	if err := jsonvalue.Check(body, maxDepth); err != nil {
		return &backend.InvalidError{Field: "answer", Reason: err.Error()}
	}
	var head struct{ OK *bool }
	if err := json.Unmarshal(body, &head); err != nil || head.OK == nil {
		return &backend.InvalidError{Field: "answer", Reason: jsonvalue.Excerpt(body) + " says neither that the request was done nor that it failed"}
	}
	if !*head.OK {
		return ParseError(body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return &backend.InvalidError{Field: "answer", Reason: err.Error()}
	}
	return nil
}

// A HelloReply is the answer to [OpHello].
type HelloReply struct {
	Protocol int     `json:"protocol"`
	Server   string  `json:"server"`             // the server's name and version
	LastSeq  *uint64 `json:"last_seq,omitempty"` // of its log; nil if unknown, or if the client may not know it

	Log       backend.LogID      `json:"log,omitzero"` // the log's identity; zero if LastSeq is nil, or the log does not say
	Ancestors []backend.Ancestor `json:"ancestors,omitempty"`

	MaxFrame int      `json:"max_frame"` // the limit for the bytes of a request
	Features Features `json:"features"`  // of its log, for this client
}

// Features is a backend.Features with the names of its JSON form.
type Features struct {
	Batches  bool          `json:"batches"`
	Prune    bool          `json:"prune"`
	AllIDs   bool          `json:"all_ids"`
	MaxFrame int           `json:"max_frame"`
	Poll     time.Duration `json:"poll_ns"`
	Stores   []string      `json:"stores"` // null: all
}

// AppendHelloReply appends the answer to OpHello.
func AppendHelloReply(dst []byte, h HelloReply, id []byte) []byte {
	text, _ := json.Marshal(h) // numbers and texts: it can't fail
	dst = append(OpenAnswer(dst), ',')
	return CloseAnswer(append(dst, text[1:len(text)-1]...), id)
}

// AppendStats appends the stats of a log to an answer, as fields after others.
func AppendStats(dst []byte, s *backend.Stats) []byte {
	dst = AppendNumber(dst, "first_seq", s.FirstSeq)
	dst = AppendNumber(dst, "last_seq", s.LastSeq)
	dst = AppendNumber(dst, "facts", s.Facts)
	dst = AppendNumber(dst, "bytes", s.Bytes)
	dst = AppendNumber(dst, "durable_seq", s.DurableSeq)
	if s.Log != (backend.LogID{}) {
		dst = appendField(dst, "log", s.Log.String())
	}
	if !s.LastTime.IsZero() {
		dst = wire.AppendTime(appendKey(dst, "last_time"), s.LastTime)
	}
	if s.Failed != "" {
		dst = appendWords(dst, "failed", s.Failed)
	}
	if len(s.Ancestors) > 0 {
		text, _ := json.Marshal(s.Ancestors) // texts and numbers: it can't fail
		dst = append(appendKey(dst, "ancestors"), text...)
	}
	dst = appendHorizons(dst, s.Horizons)
	if s.Head.Leaves > 0 {
		text, _ := json.Marshal(s.Head) // numbers and a text: it can't fail
		dst = append(appendKey(dst, "head"), text...)
	}
	if s.Storage != nil {
		text, _ := json.Marshal((*storage)(s.Storage)) // numbers and a time: it can't fail
		dst = append(appendKey(dst, "storage"), text...)
	}
	return dst
}

// ParseStats parses the answer to [OpStats] of version 2.
func ParseStats(body []byte) (backend.Stats, error) {
	var a struct {
		FirstSeq   uint64 `json:"first_seq"`
		LastSeq    uint64 `json:"last_seq"`
		Facts      uint64 `json:"facts"`
		Bytes      uint64 `json:"bytes"`
		DurableSeq uint64 `json:"durable_seq"`
		Log        backend.LogID
		Ancestors  []backend.Ancestor
		Storage    *storage `json:"storage"`

		Horizons map[string]horizon `json:"horizons"`
		LastTime json.RawMessage    `json:"last_time"`
		Failed   string
		Head     backend.Head
	}
	err := ParseAnswer(body, &a)
	var last time.Time
	if err == nil && len(a.LastTime) > 0 {
		last, err = parseTime("last_time", a.LastTime)
	}
	horizons, horizonErr := parseHorizons(a.Horizons)
	if err == nil && horizonErr != nil {
		return backend.Stats{}, horizonErr
	}
	return backend.Stats{FirstSeq: a.FirstSeq, LastSeq: a.LastSeq, Facts: a.Facts, Bytes: a.Bytes, DurableSeq: a.DurableSeq,
		Log: a.Log, Ancestors: a.Ancestors, Horizons: horizons, LastTime: last, Failed: a.Failed, Head: a.Head, Storage: (*backend.Storage)(a.Storage)}, err
}

// storage is a backend.Storage with the names of its JSON form.
type storage struct {
	Segments        int       `json:"segments"`
	Snapshots       int       `json:"snapshots"`
	SegmentBytes    uint64    `json:"segment_bytes"`
	SnapshotBytes   uint64    `json:"snapshot_bytes"`
	IndexBytes      uint64    `json:"index_bytes"`
	AheadBytes      uint64    `json:"ahead_bytes"`
	QuarantineBytes uint64    `json:"quarantine_bytes"`
	ReserveBytes    uint64    `json:"reserve_bytes"`
	Unindexed       int       `json:"unindexed"`
	Damaged         int       `json:"damaged"`
	LastSync        time.Time `json:"last_sync"`
	Groups          uint64    `json:"groups"`
	Grouped         uint64    `json:"grouped"`
}
