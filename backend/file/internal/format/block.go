// SPDX-License-Identifier: Apache-2.0

package format

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/igniter-store/igniter/wire"
)

// blockSize is how many bytes of frames a snapshot compresses together, at least.
const blockSize = 256 << 10

// maxBlock is how long a decompressed block may be: less than MaxMaxFrame before its last frame.
const maxBlock = blockSize + wire.MaxMaxFrame + wire.FrameOverhead

// blockMagic is the first byte of zstd's output. No JSON begins with it.
const blockMagic = 0x28

// IsBlock reports whether a body is a compressed block.
func IsBlock(body []byte) bool { return body[0] == blockMagic }

// Both work on whole blocks, for any number of callers at once, and start no goroutines.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecoderLowmem(true))
	})
)

// appendCompressed appends the compressed form of a block of frames to dst.
func appendCompressed(dst, block []byte) ([]byte, error) {
	e, err := encoder()
	if err != nil {
		return dst, err
	}
	return e.EncodeAll(block, dst), nil
}

// blockLen returns how long a block is once it is decompressed, as its header says. Decompress finds out whether that is true.
func blockLen(body []byte) int {
	var h zstd.Header
	if h.Decode(body) != nil || !h.HasFCS {
		return maxBlock
	}
	return int(min(h.FrameContentSize, maxBlock))
}

// Decompress returns the frames of a block, in new memory.
func Decompress(body []byte) ([]byte, error) {
	d, err := decoder()
	if err != nil {
		return nil, err
	}
	block, err := d.DecodeAll(body, nil)
	if err != nil {
		return nil, fmt.Errorf("a block that does not decompress: %w", err)
	}
	if len(block) == 0 {
		return nil, errors.New("an empty block")
	}
	return block, nil
}
