package file

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// A search finds the whole frames of JSON, and blocks, among other bytes. Inside a frame no other can
// begin, since the first byte of a length is one that JSON does not have, so a frame that is found is
// one that was written.
//
// Bytes may be such that nearly each of them seems to begin a long frame. So the CRC of a stretch is not
// computed from its bytes, but from those of all before its two ends, which are noted for each
// stride: a place is judged in the time that a stride takes.
type search struct {
	f    io.ReaderAt
	end  int64    // frames end there or before
	base int64    // where the search began, or began anew
	sums []uint32 // of the bytes from base to base+i*stride
	buf  []byte
	part [stride]byte
	tail [5]byte // the last byte of a body, and its CRC
}

const stride = 4 << 10

func newSearch(f io.ReaderAt, from, end int64) *search {
	return &search{f: f, end: end, base: from, sums: []uint32{0}, buf: make([]byte, 64<<10+5)}
}

// next returns the offset and the body of the first frame that begins between two offsets, -1 if there
// is none. from must not be before where the search began, or that of an earlier call.
func (s *search) next(ctx context.Context, from, to int64) (int64, []byte, error) {
	if from-s.base >= int64(len(s.sums))*stride {
		s.base, s.sums = from, s.sums[:1] // what lies between was not looked at
	}
	for from < to {
		if err := ctx.Err(); err != nil {
			return 0, nil, err
		}
		b := s.buf[:min(int64(len(s.buf)), s.end-from)]
		if err := vfs.ReadFull(s.f, b, from); err != nil {
			return 0, nil, err
		}
		step := int(min(to-from, max(1, int64(len(b)-4)))) // the last bytes are looked at again, with what follows them
		for i := range step {
			if b[i] > wire.MaxMaxFrame>>24 || len(b)-i < 5 {
				continue
			}
			if c := b[i+4]; c != '{' && c != '[' && c != blockMagic {
				continue
			}
			at, n := from+int64(i), int64(binary.BigEndian.Uint32(b[i:]))
			if n < 2 || n > wire.MaxMaxFrame || at+n+wire.FrameOverhead > s.end {
				continue
			}
			whole, err := s.whole(at+4, at+4+n, b[i+4] == blockMagic)
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

// whole reports whether the bytes between two offsets may be those of a body, and their CRC follows them.
func (s *search) whole(from, to int64, block bool) (bool, error) {
	if err := vfs.ReadFull(s.f, s.tail[:], to-1); err != nil {
		return false, err
	}
	if last := s.tail[0]; !block && last != '}' && last != ']' && last != ' ' {
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
func (s *search) sum(to int64) (uint32, error) {
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

// crcShift returns what a CRC adds to that of the bytes which begin with its own and have n more:
// crc(ab) is crcShift(crc(a), len(b)) ^ crc(b). A CRC is a polynomial over GF(2), its highest bit the
// coefficient of x⁰, and n bytes more multiply it by x⁸ⁿ.
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

// crcMultiply multiplies two polynomials, modulo that of the CRC.
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
