package file

import "sort"

// tailSize is how many bytes of the latest frames stay in memory for those who follow the log, at
// least, once there are so many.
const tailSize = 4 << 20

// A tail is the latest frames of the log, without a gap. Frames are never changed.
type tail struct {
	frames []tailFrame
	bytes  int
}

type tailFrame struct {
	first, last uint64 // seqs of its facts
	frame       []byte
}

func (t *tail) add(f tailFrame) {
	t.frames = append(t.frames, f)
	t.bytes += len(f.frame)
	for len(t.frames) > 1 && t.bytes-len(t.frames[0].frame) >= tailSize {
		t.bytes -= len(t.frames[0].frame)
		t.frames[0] = tailFrame{} // lets go of the memory
		t.frames = t.frames[1:]
	}
}

// clear forgets the frames, as facts in them are gone from the log.
func (t *tail) clear() { *t = tail{} }

// after returns copies of frames that have the facts from after+1 on, some 256 KiB of them; nil if
// the tail does not reach back that far.
func (t *tail) after(after uint64) [][]byte {
	i := sort.Search(len(t.frames), func(i int) bool { return t.frames[i].last > after })
	if i == len(t.frames) || t.frames[i].first > after+1 {
		return nil
	}
	var frames [][]byte
	for size := 0; i < len(t.frames) && (size == 0 || size+len(t.frames[i].frame) <= blockSize); i++ {
		frames = append(frames, t.frames[i].frame)
		size += len(t.frames[i].frame)
	}
	return frames
}
