package memory

import (
	"sort"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Sizes of chunks in bytes. The first is small, since many logs are.
const (
	minChunk = 16 << 10
	maxChunk = 4 << 20
)

// A chunk is a run of frames, each of one fact. Its length grows under the log's lock; what is
// below the length stays as it is.
type chunk struct {
	frames  []byte
	offsets []uint32 // where each frame begins
	first   uint64   // the seq of its first fact
	last    uint64   // the seq of its last fact
}

// room reports whether a frame of n bytes fits.
func (c *chunk) room(n int) bool { return cap(c.frames)-len(c.frames) >= n }

// loose reports whether the chunk could take less room, by itself or as a part of another.
func (c *chunk) loose() bool {
	return len(c.frames) < maxChunk/2 || cap(c.frames)-len(c.frames) > maxChunk/8
}

func (c *chunk) append(seq uint64, frame []byte) {
	if len(c.offsets) == 0 {
		c.first = seq
	}
	c.last = seq
	c.offsets = append(c.offsets, uint32(len(c.frames)))
	c.frames = append(c.frames, frame...)
}

// body returns the body of the i-th frame.
func (c *chunk) body(i int) []byte {
	body, _, _ := wire.CutFrame(c.frames[c.offsets[i]:])
	return body
}

// seq returns the seq of the i-th fact.
func (c *chunk) seq(i int) uint64 { return wire.Seq(c.body(i)) }

// after returns the index of the first fact with a seq above seq.
func (c *chunk) after(seq uint64) int {
	if seq < c.first {
		return 0
	}
	return sort.Search(len(c.offsets), func(i int) bool { return c.seq(i) > seq })
}

// fact returns the fact at seq, in the chunk's own memory.
func (c *chunk) fact(seq uint64) (backend.Fact, bool, error) {
	i := c.after(seq - 1)
	if i == len(c.offsets) || c.seq(i) != seq {
		return backend.Fact{}, false, nil
	}
	f, err := wire.ParseFact(c.body(i))
	return f, err == nil, err
}

// merge returns chunks with the facts of old but those dropped, in as little memory as they need.
func merge(old []*chunk, drop func(seq uint64) bool) []*chunk {
	kept, total := make([][]bool, len(old)), 0
	for i, c := range old {
		kept[i] = make([]bool, len(c.offsets))
		for j := range c.offsets {
			if kept[i][j] = !drop(c.seq(j)); kept[i][j] {
				total += len(c.body(j)) + wire.FrameOverhead
			}
		}
	}
	var merged []*chunk
	var to *chunk
	for i, c := range old {
		for j, offset := range c.offsets {
			if !kept[i][j] {
				continue
			}
			n := len(c.body(j)) + wire.FrameOverhead
			if to == nil || !to.room(n) {
				to = &chunk{frames: make([]byte, 0, max(n, min(total, maxChunk)))}
				merged = append(merged, to)
			}
			to.append(c.seq(j), c.frames[offset:][:n])
			total -= n
		}
	}
	return merged
}
