// SPDX-License-Identifier: Apache-2.0

package format

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// A Search finds whole frames among other bytes. No frame can begin inside another frame of JSON, since the
// first byte of a length does not occur in JSON. So every frame that it finds was written as a frame.
//
// In hostile bytes a long frame may seem to begin almost anywhere. So the CRC of a frame is not computed from its bytes,
// but from the CRCs of all bytes before its beginning and before its end. These are kept for each stride. So checking a
// place takes no longer than reading a stride.
type Search struct {
	f     io.ReaderAt
	end   int64
	first string   // the first bytes of the bodies that are searched for
	base  int64    // the offset at which sums begin
	sums  []uint32 // the CRCs of the bytes from base to base+i*stride
	buf   []byte
	part  [stride]byte
	tail  [5]byte // the last byte of a body, and its CRC
}

const stride = 4 << 10

// First bytes of the bodies in the files of a log and in indexes.
const (
	LogBodies   = "{[h\x28"
	IndexBodies = "{pisk"
)

// NewSearch returns a Search of f for frames between the offsets from and end whose bodies begin with one of the bytes in
// first.
func NewSearch(f io.ReaderAt, from, end int64, first string) *Search {
	return &Search{f: f, end: end, first: first, base: from, sums: []uint32{0}, buf: make([]byte, 64<<10+5)}
}

// Next returns the offset and the body of the first frame that begins between two offsets; the offset is
// -1 if none exists. from must not be before the start of the search or the from of an earlier call.
func (s *Search) Next(ctx context.Context, from, to int64) (int64, []byte, error) {
	if from-s.base >= int64(len(s.sums))*stride {
		s.base, s.sums = from, s.sums[:1] // the bytes in between were skipped
	}
	for from < to {
		if err := ctx.Err(); err != nil {
			return 0, nil, err
		}
		b := s.buf[:min(int64(len(s.buf)), s.end-from)]
		if err := vfs.ReadFull(s.f, b, from); err != nil {
			return 0, nil, err
		}
		step := int(min(to-from, max(1, int64(len(b)-4)))) // the last bytes are searched again, together with the following ones
		for i := range step {
			if b[i] > wire.MaxMaxFrame>>24 || len(b)-i < 5 {
				continue
			}
			if strings.IndexByte(s.first, b[i+4]) < 0 {
				continue
			}
			at, n := from+int64(i), int64(binary.BigEndian.Uint32(b[i:]))
			if n < 2 || n > wire.MaxMaxFrame || at+n+wire.FrameOverhead > s.end {
				continue
			}
			whole, err := s.whole(at+4, at+4+n, b[i+4])
			if err != nil {
				return 0, nil, err
			}
			if whole {
				body := make([]byte, n)
				return at, body, vfs.ReadFull(s.f, body, at+4)
			}
		}
		from += int64(step)
	}
	return -1, nil, nil
}

// whole reports whether the bytes between two offsets may be a body and are followed by their CRC.
func (s *Search) whole(from, to int64, first byte) (bool, error) {
	if err := vfs.ReadFull(s.f, s.tail[:], to-1); err != nil {
		return false, err
	}
	if last := s.tail[0]; (first == '{' || first == '[') && last != '}' && last != ']' && last != ' ' {
		return false, nil
	}
	a, err := s.sum(from)
	if err != nil {
		return false, err
	}
	b, err := s.sum(to)
	return b^crcShift(a, to-from) == binary.BigEndian.Uint32(s.tail[1:]), err
}

// sum returns the CRC of the bytes up to an offset.
func (s *Search) sum(to int64) (uint32, error) {
	i := (to - s.base) / stride
	for n := int64(len(s.sums)); n <= i; n++ {
		if err := vfs.ReadFull(s.f, s.part[:], s.base+(n-1)*stride); err != nil {
			return 0, err
		}
		s.sums = append(s.sums, crc32.Update(s.sums[n-1], crc32.IEEETable, s.part[:]))
	}
	rest := s.part[:to-s.base-i*stride]
	err := vfs.ReadFull(s.f, rest, s.base+i*stride)
	return crc32.Update(s.sums[i], crc32.IEEETable, rest), err
}

// crcShift returns the part of a CRC that comes from the bytes before the last n: crc(ab) is
// crcShift(crc(a), len(b)) ^ crc(b). A CRC is a polynomial over GF(2), its highest bit the coefficient of
// x⁰, and n more bytes multiply it by x⁸ⁿ.
func crcShift(crc uint32, n int64) uint32 {
	for i := 0; n > 0; i, n = i+1, n>>1 {
		if n&1 != 0 {
			crc = crcMultiply(crcPowers[i], crc)
		}
	}
	return crc
}

// crcPowers are x⁸, x¹⁶, x³² and so on.
var crcPowers = func() (powers [27]uint32) { // up to a shift by wire.MaxMaxFrame
	powers[0] = 1 << (31 - 8)
	for i := 1; i < len(powers); i++ {
		powers[i] = crcMultiply(powers[i-1], powers[i-1])
	}
	return powers
}()

// crcMultiply multiplies two polynomials, modulo the polynomial of the CRC.
func crcMultiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a>>31 != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return product
}
