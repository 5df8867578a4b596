// SPDX-License-Identifier: Apache-2.0

package format

import (
	"errors"
	"io"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/merkle"
	"github.com/igniter-store/igniter/wire"
)

// A Reader reads the frames of a segment file or a snapshot, also the frames in the blocks of a snapshot. Damage is a
// *backend.CorruptError. It is not safe for concurrent use.
type Reader struct {
	path     string
	file     io.ReaderAt
	snapshot bool
	base     int64 // the offset at which r began to read
	to       int64 // the offset at which r stops
	r        *wire.Reader
	packed   []byte // a compressed block that was read, and is to be decompressed
	block    []byte // the rest of a decompressed block
	ended    bool   // the last frame of a snapshot was read
	offset   int64

	// Room, if not nil, is called with the size of a frame or a block before the Reader allocates memory for it. If Room
	// returns an error, Next and NextFrame return it, and may be called again.
	Room func(bytes int) error

	// Nodes, if not nil, is called by Next with the nodes of the hash tree that it skips.
	Nodes func(nodes ...merkle.Node)
}

// NewReader returns a Reader of f from one offset to another. The path is for errors.
func NewReader(f io.ReaderAt, path string, snapshot bool, from, to int64) *Reader {
	x := &Reader{path: path, file: f, snapshot: snapshot, base: from, to: to}
	x.begin()
	return x
}

// begin begins to read at base.
func (x *Reader) begin() {
	x.r = frames(x.file, x.base, x.to)
	x.r.Room = func(bytes int) error {
		if int64(bytes) > x.to-x.End() {
			return x.Damage(endsInside)
		}
		return x.room(bytes)
	}
}

const endsInside = "the file ends inside a frame"

// frames returns a reader of f from one offset to another.
func frames(f io.ReaderAt, from, to int64) *wire.Reader {
	return wire.NewReader(io.NewSectionReader(f, from, to-from), wire.MaxMaxFrame)
}

func (x *Reader) room(bytes int) error {
	if x.Room == nil {
		return nil
	}
	return x.Room(bytes)
}

// Held returns the number of bytes of a block that are in memory and were not returned yet.
func (x *Reader) Held() int { return len(x.block) }

// Extend sets the offset at which the reader stops.
func (x *Reader) Extend(to int64) {
	x.base, x.to = x.End(), to
	x.begin()
}

// Offset returns the offset of the frame or block of the last body or, after an error, of the frame or block that could not
// be read.
func (x *Reader) Offset() int64 { return x.offset }

// End returns the offset of the next frame or block of the file.
func (x *Reader) End() int64 { return x.base + x.r.Offset() }

// Raw returns the body of the next frame of the file itself, of any kind.
func (x *Reader) Raw() ([]byte, error) { return bodyOf(x.rawFrame()) }

// bodyOf returns a frame's body.
func bodyOf(frame []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	body, _, _ := wire.CutFrame(frame)
	return body, nil
}

func (x *Reader) rawFrame() ([]byte, error) {
	x.offset = x.End()
	frame, err := x.r.NextFrame()
	if err == nil {
		return frame, nil
	}
	if err == io.EOF {
		if x.offset < x.to || x.snapshot && !x.ended {
			return nil, x.Damage("the file ends before its last frame")
		}
		return nil, io.EOF
	}
	var corrupt *backend.CorruptError
	var torn *wire.TornError
	switch {
	case errors.As(err, &corrupt):
		return nil, x.Damage(corrupt.Reason)
	case errors.As(err, &torn):
		return nil, x.Damage(endsInside)
	}
	return nil, err
}

// Next returns the body of the next fact or group of facts. It skips the header, markers, nodes and the end of a
// snapshot. The caller may keep the body.
func (x *Reader) Next() ([]byte, error) { return bodyOf(x.NextFrame()) }

// NextFrame is like Next, but returns the whole frame, which wire.Join can join with the previous one.
func (x *Reader) NextFrame() ([]byte, error) {
	for {
		if len(x.block) > 0 {
			body, rest, ok := wire.CutFrame(x.block) // the block's CRC was checked
			if !ok {
				return nil, x.Damage("a block that holds more than frames")
			}
			frame := x.block[:len(body)+wire.FrameOverhead]
			x.block = rest
			return frame, nil
		}
		if x.packed != nil {
			if err := x.unpack(); err != nil {
				return nil, err
			}
			continue
		}
		header := x.End() == 0
		frame, err := x.rawFrame()
		body, err := bodyOf(frame, err)
		switch {
		case err != nil:
			return nil, err
		case header || IsMarker(body):
			continue
		case IsNodes(body):
			if err := x.nodes(body); err != nil {
				return nil, err
			}
			continue
		case !x.snapshot:
			return frame, nil
		case IsEnd(body):
			x.ended = true
			continue
		}
		x.packed = body
	}
}

// unpack decompresses the block in packed.
func (x *Reader) unpack() error {
	if err := x.room(len(x.packed) + blockLen(x.packed)); err != nil {
		return err
	}
	block, err := Decompress(x.packed)
	if err != nil {
		return x.Damage(err.Error())
	}
	x.block, x.packed = block, nil
	x.r.Shrink()
	return nil
}

func (x *Reader) nodes(body []byte) error {
	if x.Nodes == nil {
		return nil
	}
	nodes, ok := ParseNodes(body)
	if !ok {
		return x.Damage("a frame with bad nodes of the hash tree")
	}
	x.Nodes(nodes...)
	return nil
}

// Damage returns the error for a damaged frame at Offset.
func (x *Reader) Damage(reason string) error {
	return &backend.CorruptError{Path: x.path, Offset: x.offset, Reason: reason}
}

// Parse appends the facts in a body that Next returned to facts.
func (x *Reader) Parse(facts []backend.Fact, body []byte) ([]backend.Fact, error) {
	facts, err := wire.ParseGroup(facts, body)
	if err != nil {
		return facts, x.Damage("a frame with a valid CRC that holds no facts: " + err.Error())
	}
	return facts, nil
}
