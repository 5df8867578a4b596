// SPDX-License-Identifier: Apache-2.0

package file

import (
	"slices"
	"sort"
)

// tailSize is the least number of bytes of the latest frames that stay in memory for followers, once
// there are so many.
const tailSize = 4 << 20

// A tail is the latest frames of the log, without a gap. Neither frames nor older copies of a tail ever
// change.
type tail struct {
	frames  []tailFrame
	bytes   int
	dropped int // bytes of frames that were dropped and whose memory the array of frames still holds
}

type tailFrame struct {
	first, last uint64 // the seqs of its facts
	frame       []byte
}

// add adds a frame, and drops old ones. Their memory is freed when append moves the slice, or once it is as much as a tail's.
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

// after returns the frames that have the facts after a seq; nil if the tail does not reach back that far.
func (t *tail) after(after uint64) []tailFrame {
	i := sort.Search(len(t.frames), func(i int) bool { return t.frames[i].last > after })
	if i == len(t.frames) || t.frames[i].first > after+1 {
		return nil
	}
	return t.frames[i:]
}
