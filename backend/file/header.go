package file

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// formatVersion is that of all the files here.
const formatVersion = 1

// A header is the body of a file's first frame. What a kind of file has no use for is left out.
type header struct {
	Kind      string          `json:"igniter"` // one of the kinds below
	Version   int             `json:"version"`
	FirstSeq  uint64          `json:"first_seq"`           // the first seq that the file covers
	LastSeq   uint64          `json:"last_seq,omitempty"`  // the last one; 0 in a segment: that of its last fact
	Facts     *uint64         `json:"facts,omitempty"`     // how many it has; nil in a segment: all from FirstSeq on
	CreatedAt json.RawMessage `json:"created_at"`          // decimal seconds
	Sync      Sync            `json:"sync,omitempty"`      // how a segment was written
	SHA256    string          `json:"sha256,omitempty"`    // of what follows a snapshot's header
	File      string          `json:"file,omitempty"`      // what an index is of,
	Size      int64           `json:"size,omitempty"`      // its size,
	Check     uint32          `json:"check,omitempty"`     // and the CRC of its header
	LastTime  json.RawMessage `json:"last_time,omitempty"` // the greatest transaction time in it
	Points    int             `json:"points,omitempty"`    // how many of each an index has
	IDs       int             `json:"ids,omitempty"`       //
	Keys      int             `json:"keys,omitempty"`      //
}

// Kinds of files.
const (
	kindSegment  = "wal"
	kindSnapshot = "snapshot"
	kindIndex    = "index"
)

// headerSize is how long the header is made in a file whose header is written last, with spaces.
const headerSize = 384

func seconds(t time.Time) json.RawMessage {
	if t.IsZero() {
		return nil
	}
	return wire.AppendTime(nil, t)
}

// frame returns the header's frame, its body filled with spaces to size.
func (h header) frame(size int) []byte {
	h.Version = formatVersion
	body, _ := json.Marshal(h) // numbers and names only: it can't fail
	body = append(body, bytes.Repeat([]byte{' '}, max(0, size-len(body)))...)
	return wire.AppendFrame(nil, body)
}

// check returns the CRC of the header as newFile.finish writes it.
func (h header) check() uint32 {
	frame := h.frame(headerSize)
	return binary.BigEndian.Uint32(frame[len(frame)-4:])
}

// parseHeader parses the body of a file's first frame, which must be of a kind and a version that
// is known here.
func parseHeader(body []byte, kind, path string) (header, error) {
	var h header
	if err := json.Unmarshal(body, &h); err != nil || h.Kind == "" {
		return h, &backend.CorruptError{Path: path, Reason: "the file does not begin with a header"}
	}
	switch {
	case h.Version > formatVersion:
		return h, &VersionError{Path: path, Version: h.Version}
	case h.Version < 1 || h.Kind != kind:
		return h, &backend.CorruptError{Path: path, Reason: fmt.Sprintf("the header is of kind %q, version %d, and not of kind %q", h.Kind, h.Version, kind)}
	}
	return h, nil
}

// A VersionError is a file of a format that a later release of this package made.
type VersionError struct {
	Path    string
	Version int // of the file
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has format version %d, and this program reads versions up to %d: open the log with a newer release",
		e.Path, e.Version, formatVersion)
}

// Frames in a segment that are no facts, and the one that ends a snapshot.
const (
	markerPrefix = `{"synced":`
	endPrefix    = `{"end":`
)

// appendMarker appends the body that says which facts were durable when it was written.
func appendMarker(dst []byte, through uint64) []byte {
	return append(strconv.AppendUint(append(dst, markerPrefix...), through, 10), '}')
}

func isMarker(body []byte) bool { return bytes.HasPrefix(body, []byte(markerPrefix)) }

// parseMarker returns the seq in a marker.
func parseMarker(body []byte) (uint64, bool) {
	digits, ok := bytes.CutPrefix(body, []byte(markerPrefix))
	if !ok || len(digits) < 2 || digits[len(digits)-1] != '}' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(digits[:len(digits)-1]), 10, 64)
	return n, err == nil && n <= maxSeq
}
