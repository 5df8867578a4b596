// SPDX-License-Identifier: Apache-2.0

package file

import (
	"slices"
	"sort"
)

// tailSize is the number of bytes of the latest frames that stay in memory for followers, at least.
const tailSize = 4 << 20

// A tail is the latest frames of the log, without a gap. Frames and older copies of a tail are immutable.
type tail struct {
	frames  []tailFrame
	bytes   int
	dropped int // bytes of dropped frames whose memory the array of frames still holds
}

type tailFrame struct {
	first, last uint64 // the seqs of its facts
	frame       []byte
}

// add adds a frame, and drops old ones. Their memory is freed when append moves the slice, or when it reaches tailSize.
func (t *tail) add(f tailFrame) {
	t.frames = append(t.frames, f)
	t.bytes += len(f.frame)
	for len(t.frames) > 1 && t.bytes-len(t.frames[0].frame) >= tailSize {
		t.bytes -= len(t.frames[0].frame)
		t.dropped += len(t.frames[0].frame)
		t.frames = t.frames[1:]
	}
	if t.dropped >= tailSize {
		t.frames, t.dropped = slices.Clone(t.frames), 0
	}
}

// after returns the frames with the facts after a seq; nil if the tail begins later.
func (t *tail) after(after uint64) []tailFrame {
	i := sort.Search(len(t.frames), func(i int) bool { return t.frames[i].last > after })
	if i == len(t.frames) || t.frames[i].first > after+1 {
		return nil
	}
	return t.frames[i:]
}
