// SPDX-License-Identifier: Apache-2.0

package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/merkle"
	"github.com/igniter-store/igniter/wire"
)

// Version is the highest version of the formats of segment files and snapshots. Files of version 1 have no Log, and files
// of version 2 no Nodes.
const Version = 3

// indexVersion is the version of the format of indexes.
const indexVersion = 2

// A Header is the body of a file's first frame, as JSON. Each kind of file leaves out the fields that it does not use.
// Readers ignore unknown fields.
type Header struct {
	Kind      string          `json:"igniter"`
	Version   int             `json:"version"`
	FirstSeq  uint64          `json:"first_seq"`          // the first seq that the file covers
	LastSeq   uint64          `json:"last_seq,omitempty"` // the last seq; 0 in a segment: the seq of its last fact
	Facts     *uint64         `json:"facts,omitempty"`    // the number of its facts; nil in a segment: seqs have no gaps
	CreatedAt json.RawMessage `json:"created_at"`         // decimal seconds
	Sync      string          `json:"sync,omitempty"`     // how a segment is synced
	SHA256    string          `json:"sha256,omitempty"`   // of the bytes after a snapshot's header
	Nodes     uint64          `json:"nodes,omitempty"`    // the number of nodes of the hash tree in it, for facts that were pruned from it
	Boot      string          `json:"boot,omitempty"`     // the ID of the machine's latest start when a segment with markers was begun
	Horizons  Horizons        `json:"horizons,omitempty"` // of the stores that lost facts of the file; nil: no store did
	Identity                  // of the log when the file was begun; zero in version 1 and in indexes
	File      string          `json:"file,omitempty"`      // the file that an index describes,
	Size      int64           `json:"size,omitempty"`      // its size,
	Check     uint32          `json:"check,omitempty"`     // and the CRC of its header
	LastTime  json.RawMessage `json:"last_time,omitempty"` // the greatest transaction time in that file
	Largest   int             `json:"largest,omitempty"`   // the size of the largest body of facts in it, if above wire.DefaultMaxFrame
	Points    int             `json:"points,omitempty"`    // the numbers of points in an index,
	IDs       int             `json:"ids,omitempty"`       // IDs,
	Keys      int             `json:"keys,omitempty"`      // and keys
	Tree      *merkle.Range   `json:"tree,omitempty"`      // the part of the hash tree that the file covers; nil: not computed
}

// Kinds of files.
const (
	KindSegment  = "wal"
	KindSnapshot = "snapshot"
	kindIndex    = "index"
)

// MaxSeq is the highest seq with which a file may begin or end. No log reaches it by writing facts.
const MaxSeq = math.MaxInt64

// An Identity names the log of a file.
type Identity struct {
	Log       backend.LogID      `json:"log,omitzero"`
	Ancestors []backend.Ancestor `json:"ancestors,omitempty"` // the latest first
}

// minRoom is the least number of bytes reserved for the body of a header that is written last.
const minRoom = 384

// room returns the number of bytes to reserve for the body of a header that is written last. h must be complete, except for
// numbers and texts of known length.
func (h Header) room() int {
	most := uint64(MaxSeq)
	h.FirstSeq, h.LastSeq, h.Facts = most, most, &most
	if h.Nodes > 0 {
		h.Nodes = most
	}
	h.CreatedAt = Seconds(time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC))
	h.SHA256 = strings.Repeat("0", 2*sha256.Size)
	h.Ancestors = slices.Clone(h.Ancestors)
	horizons := make(Horizons, len(h.Horizons))
	for store := range h.Horizons {
		horizons[store] = backend.Horizon{Seq: most, Time: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)}
	}
	h.Horizons = horizons
	for i := range h.Ancestors {
		h.Ancestors[i].Through = most
	}
	return max(minRoom, len(h.body()))
}

// Seconds returns a time in the form of headers.
func Seconds(t time.Time) json.RawMessage {
	if t.IsZero() {
		return nil
	}
	return wire.AppendTime(nil, t)
}

// body returns the header's body. Its version is 1 if no field needs a higher one.
func (h Header) body() []byte {
	switch h.Version = 1; {
	case h.Kind == kindIndex:
		h.Version = indexVersion
	case h.Nodes > 0:
		h.Version = 3
	case h.Log != (backend.LogID{}):
		h.Version = 2
	}
	body, _ := json.Marshal(h) // numbers and names: it can't fail
	return body
}

// Frame returns the header's frame, its body filled with spaces to size bytes.
func (h Header) Frame(size int) []byte {
	body := h.body()
	body = append(body, bytes.Repeat([]byte{' '}, max(0, size-len(body)))...)
	return wire.AppendFrame(nil, body)
}

// CRC returns the CRC of a body, as it is in a frame.
func CRC(body []byte) uint32 { return crc32.ChecksumIEEE(body) }

// ParseHeader parses the body of a file's first frame. It reports false if the body is not a header.
func ParseHeader(body []byte) (Header, bool) {
	var h Header
	if !bytes.HasPrefix(body, []byte(headerPrefix)) {
		return h, false
	}
	err := json.Unmarshal(body, &h)
	return h, err == nil && h.Kind != ""
}

// Beginnings of the bodies that are not facts.
const (
	headerPrefix = `{"igniter":`
	markerPrefix = `{"synced":`
	closedPrefix = `{"closed":`
	endPrefix    = `{"end":`
)

// AppendMarker appends the marker that says that the facts through a seq are durable.
func AppendMarker(dst []byte, through uint64) []byte {
	return append(strconv.AppendUint(append(dst, markerPrefix...), through, 10), '}')
}

// AppendClosed appends the marker that says that the log was closed, and that the facts through its last seq are durable.
// The next Open cuts it off, durably, before it writes facts.
func AppendClosed(dst []byte, through uint64) []byte {
	return append(strconv.AppendUint(append(dst, closedPrefix...), through, 10), '}')
}

// IsMarker reports whether a body begins like a marker.
func IsMarker(body []byte) bool { return bytes.HasPrefix(body, []byte(markerPrefix)) || IsClosed(body) }

// IsClosed reports whether a body begins like the marker of a closed log.
func IsClosed(body []byte) bool { return bytes.HasPrefix(body, []byte(closedPrefix)) }

// ParseMarker returns the seq in a marker.
func ParseMarker(body []byte) (through uint64, ok bool) {
	if !IsMarker(body) {
		return 0, false
	}
	digits := body[len(markerPrefix):]
	if len(digits) < 2 || digits[len(digits)-1] != '}' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(digits[:len(digits)-1]), 10, 64)
	return n, err == nil && n <= MaxSeq
}

// appendEnd appends the body that ends a snapshot.
func appendEnd(dst []byte, blocks int, facts uint64) []byte {
	return fmt.Appendf(dst, `%s%d,"facts":%d}`, endPrefix, blocks, facts)
}

// IsEnd reports whether a body is the end of a snapshot.
func IsEnd(body []byte) bool { return bytes.HasPrefix(body, []byte(endPrefix)) }
