// SPDX-License-Identifier: Apache-2.0

package format

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/internal/merkle"
	"github.com/igniter-store/igniter/wire"
)

// A Writer writes a snapshot, or a segment file with gaps: first the frames, then the header, for which it reserves room.
// Meanwhile it collects the entries of the index.
type Writer struct {
	File     File     // complete after Finish; until then, the name, the last seq and horizons may change
	Identity Identity // of the log; it may change until Finish

	f      ReadWriter
	index  *IndexBuilder
	room   int    // of the header's body
	end    int64  // the offset at which buf is written
	buf    []byte // frames that are not written yet
	hash   hash.Hash
	blocks int
	nodes  nodes  // not written yet
	first  uint64 // the seq of the first fact in block
	block  []byte // frames that are not compressed yet
	body   []byte
}

// maxHeader limits the size of a file's header. If the horizons of many stores would make it longer, it has only the
// greatest horizon, for all stores.
var maxHeader = wire.DefaultMaxFrame // tests have less

// writeSize is the least number of bytes that a Writer writes at once, except at the end.
const writeSize = 1 << 20

// NewWriter returns a Writer of a file. of has the file's name and the seqs that it covers, and id names the log. The
// Writer reserves room for a header with the horizons in of, the ancestors in id and, unless of.Nodes is 0, the number of
// nodes. For spill, see IndexBuilder.Spill.
func NewWriter(f ReadWriter, of File, id Identity, spill func() (ReadWriter, error)) *Writer {
	w := &Writer{File: of, Identity: id, f: f, index: NewIndexBuilder(), hash: sha256.New()}
	w.index.Spill = spill
	w.index.Tree = NewTree(of.First)
	w.room = min(w.header(time.Time{}).room(), maxHeader)
	w.File.Nodes = 0
	w.end = int64(w.room + wire.FrameOverhead)
	w.File.Header = w.end
	return w
}

// header returns the header of the file as far as it is known.
func (w *Writer) header(created time.Time) Header {
	h := Header{Kind: KindSegment, FirstSeq: w.File.First, LastSeq: w.File.Last, Facts: &w.File.Facts, CreatedAt: Seconds(created), Nodes: w.File.Nodes, Horizons: w.File.Horizons, Identity: w.Identity}
	if w.File.Snapshot {
		h.Kind = KindSnapshot
	}
	return h
}

// Add adds a frame: its body, and the facts in it.
func (w *Writer) Add(body []byte, facts []backend.Fact) error {
	w.index.Add(facts)
	w.File.Hold(len(body))
	w.File.Facts += uint64(len(facts))
	if !w.File.Snapshot {
		if err := w.writeNodes(); err != nil {
			return err
		}
		w.File.Mark(facts[0].Seq, w.offset())
		return w.frame(body)
	}
	if len(w.block)+len(body) > wire.MaxMaxFrame/2 {
		if err := w.flushBlock(); err != nil {
			return err
		}
	}
	if len(w.block) == 0 {
		w.first = facts[0].Seq
	}
	w.block = wire.AppendFrame(w.block, body)
	if len(w.block) < blockSize {
		return nil
	}
	return w.flushBlock()
}

// AddNodes adds nodes of the hash tree for pruned facts. Call it before the facts that follow them are added.
func (w *Writer) AddNodes(nodes ...merkle.Node) {
	w.nodes.add(nodes...)
	if w.index.Tree != nil {
		w.index.Tree.Nodes(nodes...)
	}
}

// CopyNodes copies a body with nodes. AddIndex must add their part of the index.
func (w *Writer) CopyNodes(body []byte) error {
	nodes, ok := ParseNodes(body)
	if !ok {
		return fmt.Errorf("%w: a frame with bad nodes of the hash tree", backend.ErrCorrupt)
	}
	w.File.Nodes += uint64(len(nodes))
	return w.frame(body)
}

// writeNodes writes the waiting nodes.
func (w *Writer) writeNodes() error {
	w.nodes.join()
	for some := range slices.Chunk(w.nodes.all, nodesFrame/40) {
		w.File.Nodes += uint64(len(some))
		if err := w.frame(appendNodes(nil, some)); err != nil {
			return err
		}
	}
	w.nodes.all = w.nodes.all[:0]
	return nil
}

// AddBlock adds an unchanged compressed block to a snapshot. bodies and frames are the body and the facts of each frame in
// it.
func (w *Writer) AddBlock(compressed []byte, bodies [][]byte, frames [][]backend.Fact) error {
	if err := w.flushBlock(); err != nil {
		return err
	}
	for i, facts := range frames {
		w.File.Hold(len(bodies[i]))
		w.index.Add(facts)
		w.File.Facts += uint64(len(facts))
	}
	return w.CopyBlock(compressed, frames[0][0].Seq)
}

// AddIndex adds the facts that the index of a snapshot describes. The caller adds the blocks of the snapshot
// with CopyBlock.
func (w *Writer) AddIndex(of *Index) error {
	w.File.Facts += *of.Header.Facts
	w.File.Hold(of.Header.Largest)
	return w.index.addIndex(of)
}

// CopyBlock adds a compressed block, whose first fact has the given seq.
func (w *Writer) CopyBlock(compressed []byte, first uint64) error {
	if err := w.writeNodes(); err != nil {
		return err
	}
	w.File.Mark(first, w.offset())
	w.blocks++
	return w.frame(compressed)
}

// WriteIndex writes the index of the file, and returns its size. Call it after Finish.
func (w *Writer) WriteIndex(to ReadWriter, created time.Time) (int64, error) {
	return w.index.Write(to, &w.File, created)
}

// Tree returns the file's part of the hash tree; nil if it is not known, because an added index had none. Call it after
// Finish.
func (w *Writer) Tree() *merkle.Range {
	if w.index.Tree == nil {
		return nil
	}
	w.index.Tree.Through(w.File.Last)
	return &w.index.Tree.Range
}

// flushBlock compresses the block and writes it.
func (w *Writer) flushBlock() (err error) {
	if len(w.block) == 0 {
		return nil
	}
	if w.body, err = appendCompressed(w.body[:0], w.block); err != nil {
		return err
	}
	if len(w.body) > wire.MaxMaxFrame {
		return fmt.Errorf("a block of %d bytes becomes %d when compressed", len(w.block), len(w.body))
	}
	w.block = w.block[:0]
	return w.CopyBlock(w.body, w.first)
}

// offset returns the offset of the next frame.
func (w *Writer) offset() int64 { return w.end + int64(len(w.buf)) }

func (w *Writer) frame(body []byte) error {
	start := len(w.buf)
	w.buf = wire.AppendFrame(w.buf, body)
	if w.File.Snapshot {
		w.hash.Write(w.buf[start:]) // never fails
	}
	if len(w.buf) < writeSize {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	err := vfs.WriteAll(w.f, w.buf, w.end)
	w.end += int64(len(w.buf))
	w.buf = w.buf[:0]
	return err
}

// widen moves the written frames after the header, to make room for a header that is longer by some bytes.
func (w *Writer) widen(by int) error {
	to := int64(by)
	if err := moveUp(w.f, w.File.Header, w.end, to); err != nil {
		return err
	}
	for i := range w.File.Points {
		w.File.Points[i].Offset += to
	}
	w.room, w.end = w.room+by, w.end+to
	w.File.Header, w.File.Size = w.File.Header+to, w.File.Size+to
	return nil
}

// Finish writes the remaining frames, and then the header.
func (w *Writer) Finish(created time.Time) error {
	f, sum := &w.File, ""
	if f.Snapshot {
		err := w.flushBlock()
		if err == nil {
			err = w.writeNodes()
		}
		if err == nil {
			err = w.frame(appendEnd(nil, w.blocks, f.Facts))
		}
		if err != nil {
			return err
		}
		sum = hex.EncodeToString(w.hash.Sum(nil))
	}
	if err := w.writeNodes(); err != nil { // of a segment
		return err
	}
	f.Gaps = !f.Snapshot || f.Facts < f.Last
	f.Size = w.offset()
	if err := w.flush(); err != nil {
		return err
	}
	h := w.header(created)
	h.SHA256 = sum
	if len(h.body()) > maxHeader {
		var all backend.Horizon
		for _, one := range f.Horizons {
			all = all.Later(one)
		}
		f.Horizons = Horizons{backend.AllStores: all}
		h.Horizons = f.Horizons
	}
	if by := len(h.body()) - w.room; by > 0 {
		if err := w.widen(by); err != nil {
			return err
		}
	}
	header := h.Frame(w.room)
	f.Check = binary.BigEndian.Uint32(header[len(header)-4:])
	return vfs.WriteAll(w.f, header, 0)
}
