// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"bytes"
	"slices"
	"sort"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/seqrange"
	"github.com/igniter-store/igniter/wire"
)

// Sizes of chunks in bytes. The first chunk is small, since many logs are small.
const (
	minChunk = 16 << 10
	maxChunk = 4 << 20
)

// A chunk is a run of frames, each of one batch. Its length grows under the log's lock; the bytes below
// the length never change.
type chunk struct {
	frames  []byte
	offsets []uint32 // of the frames
	facts   int      // in all frames
	first   uint64   // the seq of the first fact
	last    uint64   // the seq of the last fact
}

// room reports whether a frame of n bytes fits.
func (c *chunk) room(n int) bool { return cap(c.frames)-len(c.frames) >= n }

// loose reports whether repacking the chunk, alone or together with others, can save memory.
func (c *chunk) loose() bool {
	return len(c.frames) < maxChunk/2 || cap(c.frames)-len(c.frames) > maxChunk/8
}

// append adds a frame. The chunk must have room for it.
func (c *chunk) append(frame []byte) {
	body, _, _ := wire.CutFrame(frame)
	first, last, facts := wire.Seqs(body)
	if len(c.offsets) == 0 {
		c.first = first
	}
	c.last = last
	c.facts += facts
	c.offsets = append(c.offsets, uint32(len(c.frames)))
	c.frames = append(c.frames, frame...)
}

// end returns the offset of the end of the i-th frame.
func (c *chunk) end(i int) int {
	if i+1 < len(c.offsets) {
		return int(c.offsets[i+1])
	}
	return len(c.frames)
}

// frame returns the i-th frame.
func (c *chunk) frame(i int) []byte { return c.frames[c.offsets[i]:c.end(i)] }

// body returns the body of the i-th frame.
func (c *chunk) body(i int) []byte {
	body, _, _ := wire.CutFrame(c.frame(i))
	return body
}

// after returns the index of the first frame that has a fact with a seq above seq.
func (c *chunk) after(seq uint64) int {
	if seq < c.first {
		return 0
	}
	i := sort.Search(len(c.offsets), func(i int) bool {
		return wire.Seq(bytes.TrimLeft(c.body(i), "[\n")) > seq
	})
	if i > 0 { // the frame before it begins at or below seq, and may end above it
		if _, last, _ := wire.Seqs(c.body(i - 1)); last > seq {
			i--
		}
	}
	return i
}

// repack returns new chunks, as small as possible, with the facts of old except the facts at the seqs in gone, which it
// returns in pruned. The facts that remain of a batch stay together.
func repack(old []*chunk, gone seqrange.Set) (packed []*chunk, pruned []backend.Fact, err error) {
	left := 0 // bytes still to copy, at most
	for _, c := range old {
		left += len(c.frames)
	}
	var facts []backend.Fact
	for _, c := range old {
		for i := range c.offsets {
			frame, body := c.frame(i), c.body(i)
			size := len(frame)
			if first, last, _ := wire.Seqs(body); gone.Overlaps(first, last) {
				if facts, err = wire.ParseGroup(facts[:0], body); err != nil {
					return nil, nil, err
				}
				kept := facts[:0]
				for _, f := range facts {
					if gone.Has(f.Seq) {
						pruned = append(pruned, f)
					} else {
						kept = append(kept, f)
					}
				}
				switch len(kept) {
				case 0:
					frame = nil
				case len(facts):
				default:
					frame = wire.CloseFrame(wire.AppendGroup(wire.OpenFrame(nil), kept), 0)
				}
			}
			if n := len(packed); frame != nil {
				if n == 0 || !packed[n-1].room(len(frame)) {
					packed = append(packed, &chunk{frames: make([]byte, 0, max(len(frame), min(left, maxChunk)))})
					n++
				}
				packed[n-1].append(frame)
			}
			left -= size
		}
	}
	for _, c := range packed {
		if cap(c.frames)-len(c.frames) > cap(c.frames)/16 {
			c.frames = slices.Clone(c.frames)
		}
		c.offsets = slices.Clip(c.offsets)
	}
	return packed, pruned, nil
}
