package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// Sizes of frames in bytes. The limits are on the body.
const (
	DefaultMaxFrame = 16 << 20 // where no other limit is set
	MaxMaxFrame     = 64 << 20 // the highest limit that can be set
	FrameOverhead   = 8        // length and CRC
	headerLen       = 4
	crcLen          = 4
)

// AppendFrame appends the frame of body to dst. The body must be 1 to MaxMaxFrame bytes long: the
// caller checks that, and no reader takes anything else.
func AppendFrame(dst, body []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	dst = append(dst, body...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(body))
}

// OpenFrame appends room for a frame's length to dst. The body is then appended in place, and
// [CloseFrame] makes it a frame.
func OpenFrame(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// CloseFrame completes the frame that OpenFrame began when dst was start bytes long.
func CloseFrame(dst []byte, start int) []byte {
	body := dst[start+headerLen:]
	binary.BigEndian.PutUint32(dst[start:], uint32(len(body)))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(body))
}

// CutFrame cuts the first frame off b, without looking at its CRC: it is for frames that this
// process made and kept in its own memory. ok is false where b holds no whole frame.
func CutFrame(b []byte) (body, rest []byte, ok bool) {
	if len(b) < FrameOverhead {
		return nil, b, false
	}
	length := binary.BigEndian.Uint32(b)
	if length == 0 || uint64(length) > uint64(len(b)-FrameOverhead) { // it may be more than an int of 32 bits
		return nil, b, false
	}
	n := int(length)
	return b[headerLen : headerLen+n : headerLen+n], b[FrameOverhead+n:], true
}
