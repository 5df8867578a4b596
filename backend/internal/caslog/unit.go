// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/igniter-store/igniter/backend"
)

// A hash is the running hash of a log: of everything through a unit.
type hash [sha256.Size]byte

// A header describes a unit. As text it is
//
//	1 0197c0de-… 17 29 hash hash
//
// the version of the format, the log, the seqs of the first and the last fact (of a note: the log's last seq, twice),
// and the running hash before and after the unit, in base64. In version 2 the body is packed.
type header struct {
	packed      bool
	size        int // of the body in the place; not in the text
	log         backend.LogID
	first, last uint64
	before      hash
	after       hash
}

const (
	plainVersion  = "1"
	packedVersion = "2"
)

// seal computes the hash after a unit: the SHA-256 of the hash before it, the kind, the log, the two seqs (big endian), and
// the SHA-256 of the body. In version 2, whose bodies are packed, the character 2 follows.
func (h *header) seal(kind Kind, body []byte) {
	h.after = h.sum(kind, body)
}

func (h *header) sum(kind Kind, body []byte) hash {
	var buf [2*sha256.Size + 1 + 16 + 16 + 1]byte
	sum := sha256.Sum256(body)
	b := append(buf[:0], h.before[:]...)
	b = append(b, byte(kind))
	b = append(b, h.log[:]...)
	b = binary.BigEndian.AppendUint64(b, h.first)
	b = binary.BigEndian.AppendUint64(b, h.last)
	b = append(b, sum[:]...)
	if h.packed {
		b = append(b, packedVersion...)
	}
	return sha256.Sum256(b)
}

func (h *header) String() string {
	version := plainVersion
	if h.packed {
		version = packedVersion
	}
	b := make([]byte, 0, 192)
	b = append(append(append(b, version...), ' '), h.log.String()...)
	b = strconv.AppendUint(append(b, ' '), h.first, 10)
	b = strconv.AppendUint(append(b, ' '), h.last, 10)
	b = base64.RawStdEncoding.AppendEncode(append(b, ' '), h.before[:])
	return string(base64.RawStdEncoding.AppendEncode(append(b, ' '), h.after[:]))
}

func (h hash) String() string { return base64.RawStdEncoding.EncodeToString(h[:]) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *hash) UnmarshalText(text []byte) error {
	b, err := base64.RawStdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != len(h) {
		return fmt.Errorf("%.60q is not a hash", text)
	}
	copy(h[:], b)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (h hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// parseHeader parses the header of an entry, checks it against the body, and unpacks the body.
func parseHeader(e *Entry) (h header, err error) {
	parts := strings.Split(e.Header, " ")
	if len(parts) != 6 || parts[0] != plainVersion && parts[0] != packedVersion {
		err = errors.New("unknown form")
	} else {
		h.packed, h.size = parts[0] == packedVersion, len(e.Body)
		first, err1 := strconv.ParseUint(parts[2], 10, 64)
		last, err2 := strconv.ParseUint(parts[3], 10, 64)
		h.first, h.last = first, last
		err = errors.Join(err1, err2, h.log.UnmarshalText([]byte(parts[1])), h.before.UnmarshalText([]byte(parts[4])), h.after.UnmarshalText([]byte(parts[5])))
	}
	switch {
	case err != nil:
		return h, fmt.Errorf("position %d holds no unit of this log: another program may publish there (header %.100q)", e.At, e.Header)
	case h.sum(e.Kind, e.Body) != h.after:
		return h, fmt.Errorf("position %d, seqs %d to %d: the bytes are not what was written", e.At, h.first, h.last)
	}
	return h, unpack(e, &h)
}
