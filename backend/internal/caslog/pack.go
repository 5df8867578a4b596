// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"fmt"

	"github.com/klauspost/compress/s2"
)

// The body of a large unit of facts is compressed, as one block of S2: the place and its replicas have less to carry, to hash and to sync. S2
// takes little time; zstd, which makes units smaller, takes more, and the unit waits for it.

// packFrom is how large a unit is that is compressed. Smaller ones gain little.
const packFrom = 4 << 10

// maxUnpacked is how large a unit may be that was compressed: more than a frame may be.
const maxUnpacked = 128 << 20

// pack returns the form in which a body is appended, which is shorter if it is packed.
func pack(kind Kind, body []byte) (_ []byte, packed bool) {
	if kind != Facts && kind != Kept || len(body) < packFrom {
		return body, false
	}
	if short := s2.Encode(nil, body); len(short) < len(body) {
		return short, true
	}
	return body, false
}

// unpack makes the body of an entry what pack was given, if its header says that it is packed.
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
