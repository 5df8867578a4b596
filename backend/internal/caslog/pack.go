// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"fmt"

	"github.com/klauspost/compress/s2"
)

// The body of a large unit of facts is compressed, as one block of S2, so that the place and its replicas have fewer bytes
// to transfer, hash and sync. S2 takes little time. zstd would make units smaller, but takes longer, and the unit would
// wait for it.

// packFrom is the least size of a unit that is compressed. Smaller ones gain little.
const packFrom = 4 << 10

// maxUnpacked limits the size of a decompressed unit. It is more than the limit of a frame.
const maxUnpacked = 128 << 20

// pack returns the form in which a body is appended; packed if that is shorter.
func pack(kind Kind, body []byte) (_ []byte, packed bool) {
	if kind != Facts && kind != Kept || len(body) < packFrom {
		return body, false
	}
	if short := s2.Encode(nil, body); len(short) < len(body) {
		return short, true
	}
	return body, false
}

// unpack restores the body of an entry that is packed according to its header.
func unpack(e *Entry, h *header) error {
	if !h.packed {
		return nil
	}
	n, err := s2.DecodedLen(e.Body)
	if err == nil && n > maxUnpacked {
		err = fmt.Errorf("it has %d bytes", n)
	}
	var body []byte
	if err == nil {
		body, err = s2.Decode(nil, e.Body)
	}
	if err != nil {
		return fmt.Errorf("position %d, seqs %d to %d: the body can't be unpacked: %w", e.At, h.first, h.last, err)
	}
	e.Body = body
	return nil
}
