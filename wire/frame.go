// SPDX-License-Identifier: Apache-2.0

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

// AppendFrame appends the frame of body to dst. The caller makes sure that the body is 1 to MaxMaxFrame
// bytes long: a reader refuses any other.
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

// CutFrame cuts the first frame off b without checking its CRC. Use it only for frames that this process made and kept in
// its own memory. ok is false if b does not begin with a whole frame.
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

// Join returns frames extended by frame, without a copy, if frame follows frames in memory. Both must be slices of one
// block with their capacity not cut, as [Reader.NextFrame] returns them.
func Join(frames, frame []byte) (joined []byte, ok bool) {
	if len(frames) == 0 {
		return frame, true
	}
	end := len(frames) + len(frame)
	if len(frame) == 0 || cap(frames) < end || &frames[:end][len(frames)] != &frame[0] {
		return frames, false
	}
	return frames[:end], true
}
