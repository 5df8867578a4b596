// SPDX-License-Identifier: Apache-2.0

package format

import (
	"sort"

	"github.com/igniter-store/igniter/wire"
)

// A File describes a segment file or a snapshot.
type File struct {
	Name     string
	Snapshot bool
	First    uint64   // the first seq that it covers
	Last     uint64   // the last seq; First-1 if it covers none
	Facts    uint64   // the number of facts in it
	Size     int64    // of its frames, from the start of the file
	Gaps     bool     // seqs have gaps: facts were pruned, or were lost and the file repaired
	Sync     string   // how a segment is synced; "" if it has gaps
	Header   int64    // the size of its header's frame
	Check    uint32   // the CRC of its header
	Horizons Horizons // of the facts that it lost
	Nodes    uint64   // the number of nodes of the hash tree in it, for such facts
	Points   []Point  // where reading may begin, in order
	Largest  int      // the size of the largest body of facts; 0: not known, or not above wire.DefaultMaxFrame
}

// A Point is the beginning of a frame in a file.
type Point struct {
	Seq    uint64 // of the frame's first fact
	Offset int64
}

// pointEvery is the least distance between the points of a segment, in bytes.
const pointEvery = 64 << 10

// Mark adds the next frame, which begins at offset, to f.Points, unless the last point is near.
func (f *File) Mark(seq uint64, offset int64) {
	far := int64(pointEvery)
	if f.Snapshot {
		far = 1 // a point for each block
	}
	if n := len(f.Points); n == 0 || offset >= f.Points[n-1].Offset+far {
		f.Points = append(f.Points, Point{seq, offset})
	}
}

// Hold updates f.Largest for a body of the given size.
func (f *File) Hold(size int) {
	if size > wire.DefaultMaxFrame {
		f.Largest = max(f.Largest, size)
	}
}

// Start returns the offset at which to begin to read the facts after a seq.
func (f *File) Start(after uint64) int64 {
	i := sort.Search(len(f.Points), func(i int) bool { return f.Points[i].Seq > after+1 })
	if i == 0 {
		return 0
	}
	return f.Points[i-1].Offset
}
