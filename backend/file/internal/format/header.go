package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/wire"
)

// Version is the version of all formats here.
const Version = 1

// A Header is the body of a file's first frame. Each kind of file leaves out the fields that it does not use.
type Header struct {
	Kind      string          `json:"igniter"`
	Version   int             `json:"version"`
	FirstSeq  uint64          `json:"first_seq"`           // the first seq that the file covers
	LastSeq   uint64          `json:"last_seq,omitempty"`  // the last one; 0 in a segment: the seq of its last fact
	Facts     *uint64         `json:"facts,omitempty"`     // how many it holds; nil in a segment: seqs have no gaps
	CreatedAt json.RawMessage `json:"created_at"`          // decimal seconds
	Sync      string          `json:"sync,omitempty"`      // how a segment is synced
	SHA256    string          `json:"sha256,omitempty"`    // of what follows a snapshot's header
	File      string          `json:"file,omitempty"`      // the file that an index describes,
	Size      int64           `json:"size,omitempty"`      // its size,
	Check     uint32          `json:"check,omitempty"`     // and the CRC of its header
	LastTime  json.RawMessage `json:"last_time,omitempty"` // the greatest transaction time in that file
	Points    int             `json:"points,omitempty"`    // how many points an index has,
	IDs       int             `json:"ids,omitempty"`       // IDs,
	Keys      int             `json:"keys,omitempty"`      // and keys
}

// Kinds of files.
const (
	KindSegment  = "wal"
	KindSnapshot = "snapshot"
	KindIndex    = "index"
)

// MaxSeq is the highest seq that a file may begin or end with. No log gets there by counting.
const MaxSeq = math.MaxInt64

// HeaderRoom is the size of the frame of a header that is written last.
const HeaderRoom = headerSize + wire.FrameOverhead

const headerSize = 384

// Seconds returns a time as headers have it.
func Seconds(t time.Time) json.RawMessage {
	if t.IsZero() {
		return nil
	}
	return wire.AppendTime(nil, t)
}

// Frame returns the header's frame, its body filled with spaces to size bytes.
func (h Header) Frame(size int) []byte {
	h.Version = Version
	body, _ := json.Marshal(h) // numbers and names only: it cannot fail
	body = append(body, bytes.Repeat([]byte{' '}, max(0, size-len(body)))...)
	return wire.AppendFrame(nil, body)
}

// CRC returns the CRC of a body, as its frame has it.
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
	endPrefix    = `{"end":`
)

// AppendMarker appends the body that says that the facts through a seq are durable.
func AppendMarker(dst []byte, through uint64) []byte {
	return append(strconv.AppendUint(append(dst, markerPrefix...), through, 10), '}')
}

// IsMarker reports whether a body seems to be a marker.
func IsMarker(body []byte) bool { return bytes.HasPrefix(body, []byte(markerPrefix)) }

// ParseMarker returns the seq in a marker.
func ParseMarker(body []byte) (through uint64, ok bool) {
	digits, ok := bytes.CutPrefix(body, []byte(markerPrefix))
	if !ok || len(digits) < 2 || digits[len(digits)-1] != '}' {
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
