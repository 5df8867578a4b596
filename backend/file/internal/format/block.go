// SPDX-License-Identifier: Apache-2.0

package format

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/igniter-store/igniter/wire"
)

// blockSize is the least number of bytes of frames that a snapshot compresses together, except in its last block.
const blockSize = 256 << 10

// maxBlock limits the size of a decompressed block: blockSize before its last frame, and the largest frame.
const maxBlock = blockSize + wire.MaxMaxFrame + wire.FrameOverhead

// blockMagic is the first byte of zstd's output. No JSON begins with it.
const blockMagic = 0x28

// IsBlock reports whether a body is a compressed block.
func IsBlock(body []byte) bool { return body[0] == blockMagic }

// Both work on whole blocks, may be used concurrently, and start no goroutines.
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

// blockLen returns the decompressed size of a block according to its header, which only Decompress checks.
func blockLen(body []byte) int {
	var h zstd.Header
	if h.Decode(body) != nil || !h.HasFCS {
		return maxBlock
	}
	return int(min(h.FrameContentSize, maxBlock))
}

// Decompress returns the frames of a block. They share no memory with body.
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
