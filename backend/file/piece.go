package file

import (
	"errors"
	"io"
	"path/filepath"
	"sort"
	"sync/atomic"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// A piece is a file with a part of the log: a segment or a snapshot. The pieces of a log cover all
// seqs from 1 on, one after the other.
//
// What a piece is never changes, but for the active segment, the last one: there, the fields from
// last on grow under the log's lock, and tell of what is acknowledged.
type piece struct {
	name     string
	snapshot bool
	first    uint64 // the first seq that it covers

	last   uint64 // the last one; first-1 if there is none yet
	facts  uint64 // how many it has
	size   int64  // of its frames, in bytes from the start of the file
	points []point

	thinned bool         // facts were taken out of it: there are gaps between seqs
	sync    Sync         // how a segment was written
	check   uint32       // the CRC of its header
	index   atomic.Int64 // the size of its index file; 0: it has none, -1: it can't be made
}

// A point is a place in a piece where a frame begins.
type point struct {
	seq    uint64 // of the frame's first fact
	offset int64
}

// pointEvery is how many bytes lie between points, at least.
const pointEvery = 64 << 10

// mark appends the place of a frame to points, if the last one is so far from it.
func mark(points []point, seq uint64, offset, far int64) []point {
	if n := len(points); n == 0 || offset >= points[n-1].offset+far {
		points = append(points, point{seq, offset})
	}
	return points
}

// from returns the offset from which to read in order to find what comes after a seq.
func (p *piece) from(after uint64) int64 {
	i := sort.Search(len(p.points), func(i int) bool { return p.points[i].seq > after+1 })
	if i == 0 {
		return 0
	}
	return p.points[i-1].offset
}

// sectionOf returns what f holds from offset from to offset to.
func sectionOf(f io.ReaderAt, from, to int64) io.Reader { return io.NewSectionReader(f, from, to-from) }

// A frameReader reads the frames of a piece, those in the blocks of a snapshot too.
type frameReader struct {
	path     string
	file     vfs.File
	base     int64 // where r began to read
	to       int64 // where it stops
	r        *wire.Reader
	snapshot bool
	block    []byte // the frames of a block that were not given out yet
	ended    bool   // a snapshot's last frame was there
	offset   int64  // of the frame, or block, that the last body came from
}

// openPiece opens a piece to read its frames from an offset to another.
func openPiece(fsys vfs.FS, dir string, p *piece, from, to int64) (*frameReader, error) {
	path := filepath.Join(dir, p.name)
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	return &frameReader{path: path, file: f, base: from, to: to, snapshot: p.snapshot,
		r: wire.NewReader(sectionOf(f, from, to), wire.MaxMaxFrame)}, nil
}

// extend makes the reader read on, up to an offset.
func (x *frameReader) extend(to int64) {
	x.base, x.to = x.base+x.r.Offset(), to
	x.r = wire.NewReader(sectionOf(x.file, x.base, to), wire.MaxMaxFrame)
}

func (x *frameReader) close() error { return x.file.Close() }

// raw returns the body of the next frame of the file itself.
func (x *frameReader) raw() ([]byte, error) { return bodyOf(x.rawFrame()) }

// bodyOf returns a frame's body.
func bodyOf(frame []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	body, _, _ := wire.CutFrame(frame)
	return body, nil
}

func (x *frameReader) rawFrame() ([]byte, error) {
	x.offset = x.base + x.r.Offset()
	frame, err := x.r.NextFrame()
	if err == nil {
		return frame, nil
	}
	if err == io.EOF {
		if x.offset < x.to || x.snapshot && !x.ended {
			return nil, x.damage("the file ends before its last frame")
		}
		return nil, io.EOF
	}
	var corrupt *backend.CorruptError
	var torn *wire.TornError
	switch {
	case errors.As(err, &corrupt):
		return nil, x.damage(corrupt.Reason)
	case errors.As(err, &torn):
		return nil, x.damage("the file ends inside a frame")
	}
	return nil, err
}

// next returns the body of the next fact or group of facts; the header, markers and the end of a
// snapshot are passed over. Its memory is the caller's to keep.
func (x *frameReader) next() ([]byte, error) { return bodyOf(x.nextFrame()) }

// nextFrame is like next, and returns the whole frame, for wire.Join.
func (x *frameReader) nextFrame() ([]byte, error) {
	for {
		if len(x.block) > 0 {
			body, rest, ok := wire.CutFrame(x.block) // the block's CRC says that it is what was written
			if !ok {
				return nil, x.damage("a block that holds more than frames")
			}
			frame := x.block[:len(body)+wire.FrameOverhead]
			x.block = rest
			return frame, nil
		}
		first := x.base+x.r.Offset() == 0
		frame, err := x.rawFrame()
		body, err := bodyOf(frame, err)
		switch {
		case err != nil:
			return nil, err
		case first || isMarker(body):
			continue
		case !x.snapshot:
			return frame, nil
		case isEnd(body):
			x.ended = true
			continue
		}
		if x.block, err = decompress(body); err != nil {
			return nil, x.damage(err.Error())
		}
	}
}

func (x *frameReader) damage(reason string) error {
	return &backend.CorruptError{Path: x.path, Offset: x.offset, Reason: reason}
}

// parse appends the facts of a body that next returned to facts.
func (x *frameReader) parse(facts []backend.Fact, body []byte) ([]backend.Fact, error) {
	facts, err := wire.ParseGroup(facts, body)
	if err != nil {
		return facts, x.damage("a frame whose CRC is right and which holds no facts: " + err.Error())
	}
	return facts, nil
}
