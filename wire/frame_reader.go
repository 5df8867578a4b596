// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/igniter-store/igniter/backend"
)

// Blocks that a Reader reads into: the first is small, since many readers are idle connections.
const (
	minBlock = 4 << 10
	maxBlock = 256 << 10
)

// maxEmptyReads is how often in a row a stream may return no bytes and no error.
const maxEmptyReads = 100

// A TornError says that a stream ends inside a frame, as after a crash or a lost connection. It matches
// io.ErrUnexpectedEOF.
type TornError struct {
	Offset int64 // of the frame that is cut short
	Have   int64 // the bytes of the frame that the stream has
}

func (e *TornError) Error() string {
	return fmt.Sprintf("wire: the stream ends inside the frame at byte %d, after %d bytes of it", e.Offset, e.Have)
}

// Is makes the error match io.ErrUnexpectedEOF.
func (e *TornError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// A Reader reads frames and checks them. It is not safe for concurrent use.
//
// It reads ahead, into blocks of up to 256 KiB or one larger frame. A block grows with the bytes that
// arrive: the length of a frame alone makes the Reader allocate nothing, unless Room allows it.
type Reader struct {
	src    io.Reader
	limit  uint32
	block  []byte // block[from:to] was read and not yet returned
	from   int
	to     int
	full   bool // a read has filled half of the block or more
	offset int64
	late   error // came with the last bytes read; reported when more bytes are needed
	err    error // permanent

	// Room, if not nil, is called with the size of a frame before the Reader reads the rest of it from the stream. If Room
	// returns an error, Next returns it and may be called again. Otherwise the Reader allocates room for the frame at once.
	Room func(bytes int) error
}

// NewReader returns a Reader of the frames in src, with a limit for the bytes of a body: 0 stands for
// DefaultMaxFrame, and more than MaxMaxFrame for MaxMaxFrame.
func NewReader(src io.Reader, limit int) *Reader {
	r := &Reader{src: src}
	r.SetLimit(limit)
	return r
}

// SetLimit sets the limit for the bytes of the bodies to come, as in NewReader.
func (r *Reader) SetLimit(limit int) {
	if limit <= 0 {
		limit = DefaultMaxFrame
	}
	r.limit = uint32(min(limit, MaxMaxFrame))
}

// Size returns the bytes of memory that the Reader has allocated to read into.
func (r *Reader) Size() int { return len(r.block) }

// Shrink frees the memory that the Reader reads into, unless it holds bytes that were not yet returned, and reports whether
// it did. Call it when a stream has become idle.
func (r *Reader) Shrink() bool {
	if r.Buffered() > 0 || len(r.block) == 0 {
		return false
	}
	r.block, r.from, r.to, r.full = nil, 0, 0, false
	return true
}

// Offset returns the offset of the next frame, in bytes from the start of the stream; after an error, the offset of the
// frame that could not be read.
func (r *Reader) Offset() int64 { return r.offset }

// Buffered returns the number of bytes that were read from the stream and not yet returned.
func (r *Reader) Buffered() int { return r.to - r.from }

// Ready reports whether Next returns without reading from the stream, since the next frame, or an error,
// is buffered.
func (r *Reader) Ready() bool {
	if r.err != nil {
		return true
	}
	if r.Buffered() < headerLen {
		return false
	}
	n := binary.BigEndian.Uint32(r.block[r.from:])
	return n == 0 || n > r.limit || r.Buffered() >= int(n)+FrameOverhead
}

// Next returns the body of the next frame. The caller may keep it: it shares a block of memory with neighbouring bodies,
// and the Reader never writes to them again.
//
// The error is io.EOF if the stream ends after a frame, and a *TornError if it ends inside one. A length
// out of bounds or a wrong CRC is a *backend.CorruptError with the offset of the frame and no path. These
// errors are permanent. An error of the stream itself is returned with the offset, and the next call
// reads on, so that a read past a deadline can be resumed.
func (r *Reader) Next() ([]byte, error) {
	frame, err := r.NextFrame()
	if err != nil {
		return nil, err
	}
	end := len(frame) - crcLen
	return frame[headerLen:end:end], nil
}

// NextFrame is [Reader.Next] for the whole frame, with the length before the body and the CRC after it.
// The capacity of the slice is not cut, so that [Join] recognizes frames that follow each other in
// memory.
func (r *Reader) NextFrame() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := r.fill(headerLen); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(r.block[r.from:])
	if n == 0 {
		return nil, r.damage("a frame of length 0")
	}
	if n > r.limit {
		return nil, r.damage(fmt.Sprintf("a frame of length %d, the limit is %d", n, r.limit))
	}
	size := int(n) + FrameOverhead
	if r.Room != nil && r.Buffered() < size {
		if err := r.Room(size); err != nil {
			return nil, err
		}
	}
	if err := r.fill(size); err != nil {
		return nil, err
	}
	frame := r.block[r.from : r.from+size]
	if crc32.ChecksumIEEE(frame[headerLen:headerLen+n]) != binary.BigEndian.Uint32(frame[headerLen+n:]) {
		return nil, r.damage("wrong CRC")
	}
	r.from += size
	r.offset += int64(size)
	return frame, nil
}

func (r *Reader) damage(reason string) error {
	r.err = &backend.CorruptError{Offset: r.offset, Reason: reason}
	return r.err
}

// fill reads until n bytes are buffered, in one piece.
func (r *Reader) fill(n int) error {
	for empty := 0; r.to-r.from < n; {
		if r.to == len(r.block) || r.from+n > len(r.block) && r.from > 0 {
			r.renew(n)
		}
		m, err := 0, r.late
		if r.late = nil; err == nil {
			m, err = r.src.Read(r.block[r.to:])
		}
		r.to += m
		r.full = r.full || 2*m >= len(r.block)
		if m > 0 {
			empty, r.late = 0, err
			continue
		}
		if err == nil {
			if empty++; empty < maxEmptyReads {
				continue
			}
			err = io.ErrNoProgress
		}
		if err != io.EOF {
			return fmt.Errorf("wire: read frame at byte %d: %w", r.offset, err)
		}
		r.err = io.EOF
		if have := r.to - r.from; have > 0 {
			r.err = &TornError{Offset: r.offset, Have: int64(have)}
		}
		return r.err
	}
	return nil
}

// renew moves the buffered bytes to a new block. The new block is at most twice as large as these bytes or as the old
// block, and smaller if little arrives at a time. If Room allowed the n bytes, it is large enough for them.
func (r *Reader) renew(n int) {
	have := r.to - r.from
	size := len(r.block) / 2
	if r.full {
		size = min(2*len(r.block), maxBlock)
	}
	if r.Room == nil {
		n = min(n, 2*have)
	}
	size, r.full = max(minBlock, size, n), false
	block := make([]byte, size)
	copy(block, r.block[r.from:r.to])
	r.block, r.from, r.to = block, 0, have
}
