package file

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/igniter-store/igniter/wire"
)

// blockSize is how many bytes of frames a snapshot compresses together, at least.
const blockSize = 256 << 10

// maxBlock is how long a block may become when it is decompressed: what is in it is complete
// before it gets that last frame.
const maxBlock = blockSize + wire.MaxMaxFrame + wire.FrameOverhead

// blockMagic is the first byte of what zstd writes, and of no JSON.
const blockMagic = 0x28

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

// decompress returns the frames of a block, in memory of their own.
func decompress(body []byte) ([]byte, error) {
	d, err := decoder()
	if err != nil {
		return nil, err
	}
	block, err := d.DecodeAll(body, nil)
	if err != nil {
		return nil, fmt.Errorf("a block that does not decompress: %w", err)
	}
	if len(block) == 0 {
		return nil, fmt.Errorf("an empty block")
	}
	return block, nil
}

// appendEnd appends the body that ends a snapshot.
func appendEnd(dst []byte, blocks int, facts uint64) []byte {
	return fmt.Appendf(dst, `%s%d,"facts":%d}`, endPrefix, blocks, facts)
}

func isEnd(body []byte) bool { return bytes.HasPrefix(body, []byte(endPrefix)) }
