// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/merkle"
	"github.com/igniter-store/igniter/wire"
)

// An IndexBuilder collects the entries of a file's index while the facts of the file are read or written. It takes 18 bytes
// for each fact and 70 or more for each key. When that becomes much, it writes the entries to the file that Spill opens,
// and frees their memory.
type IndexBuilder struct {
	facts uint64
	last  uint64    // the seq of the last fact
	time  time.Time // the greatest transaction time
	keys  *sequencer.Keys

	// The IDs are in the form of an index: in each block, the first seq counts from 0, and each other seq from the previous
	// one.
	ids   [][]byte
	count int    // of IDs, also of written ones
	seq   uint64 // of the last ID

	spilled output // the written frames
	entries int    // of keys that were written; a key may have several
	stores  int    // that were written; a store may occur several times
	err     error  // of writing

	Tree *Tree // nil: the tree is not computed; computing it takes longer than all else

	// Spill opens an empty file, which Write will then get. nil: everything stays in memory.
	Spill func() (ReadWriter, error)
}

// A ReadWriter is a file, or an index, that is being written.
type ReadWriter interface {
	io.ReaderAt
	io.WriterAt
}

// NewIndexBuilder returns an IndexBuilder without facts and without a tree.
func NewIndexBuilder() *IndexBuilder {
	return &IndexBuilder{keys: sequencer.NewKeys()}
}

// Add adds facts, in the order of their seqs.
func (x *IndexBuilder) Add(facts []backend.Fact) {
	if x.Tree != nil {
		x.Tree.Facts(facts)
	}
	for i := range facts {
		f := &facts[i]
		id := sequencer.IDOf(f.ID)
		x.facts++
		x.last = f.Seq
		x.addTime(f.TransactionTime)
		x.addID(f.Store, id, f.Seq)
		x.keys.Set(f.Store, f.Key, f.Seq, id)
	}
	x.spill()
}

// addIndex adds the facts that an index describes, which must have stores.
func (x *IndexBuilder) addIndex(of *Index) error {
	if !of.HasStores() {
		return of.damage("it does not say of which stores its IDs are")
	}
	x.facts += *of.Header.Facts
	x.last = max(x.last, of.Header.LastSeq)
	x.addTime(of.Time)
	if part := of.Header.Tree; x.Tree != nil && part != nil && part.First() == x.Tree.Range.End() {
		x.Tree.Range.Join(part)
	} else {
		x.Tree = nil
	}
	err := of.IDs(func(facts []sequencer.Loaded) {
		for i := range facts {
			x.addID(facts[i].Store, facts[i].ID, facts[i].Seq)
		}
		x.spill()
	})
	if err != nil {
		return err
	}
	return of.Keys(func(facts []sequencer.Loaded) {
		for _, f := range facts {
			x.keys.Set(f.Store, f.Key, f.Seq, f.ID)
		}
		x.spill()
	})
}

func (x *IndexBuilder) addTime(t time.Time) {
	if t.After(x.time) {
		x.time = t
	}
}

func (x *IndexBuilder) addID(store string, id sequencer.ID, seq uint64) {
	if n := len(x.ids); n == 0 || len(x.ids[n-1]) >= indexFrame {
		x.ids, x.seq = append(x.ids, nil), 0
	}
	last := &x.ids[len(x.ids)-1]
	*last = binary.AppendUvarint(binary.AppendUvarint(*last, seq-x.seq), uint64(x.stores+x.keys.Store(store)))
	*last = appendID(*last, id)
	x.seq = seq
	x.count++
}

// indexFrame is about the size of the frames of an index.
const indexFrame = 256 << 10

// MaxIndexBlocks and MaxIndexKeys limit the blocks of IDs, of 256 KiB each, and the keys in the memory of an IndexBuilder
// that can spill. Tests set lower limits.
var MaxIndexBlocks, MaxIndexKeys = 32, 1 << 20

// spill writes IDs and keys to the file, if there are many.
func (x *IndexBuilder) spill() {
	if x.Spill == nil || len(x.ids) <= MaxIndexBlocks && x.keys.Len() <= MaxIndexKeys {
		return
	}
	if x.err == nil && x.spilled.f == nil {
		x.spilled.f, x.err = x.Spill()
	}
	if x.err == nil {
		x.write(&x.spilled)
		x.spilled.flush()
		x.err = x.spilled.err
	}
	x.entries += x.keys.Len()
	x.ids, x.keys = nil, sequencer.NewKeys()
}

// Write writes the index of a file to the file that Spill opened, or to an empty one. It returns the size of the index.
func (x *IndexBuilder) Write(to ReadWriter, of *File, created time.Time) (int64, error) {
	if x.err != nil {
		return 0, x.err
	}
	head := output{}
	x.head(&head, of, created)
	out := output{f: to, buf: head.buf}
	if x.spilled.f != nil {
		if err := moveUp(to, 0, x.spilled.end, int64(len(head.buf))); err != nil {
			return 0, err
		}
		if err := vfs.WriteAll(to, head.buf, 0); err != nil {
			return 0, err
		}
		out = output{f: to, end: int64(len(head.buf)) + x.spilled.end}
	}
	x.write(&out)
	out.flush()
	return out.end, out.err
}

// Encode returns the bytes of the index of a file. Spill must be nil.
func (x *IndexBuilder) Encode(of *File, created time.Time) []byte {
	var out output
	x.head(&out, of, created)
	x.write(&out)
	return out.buf
}

// head writes the beginning of an index.
func (x *IndexBuilder) head(out *output, of *File, created time.Time) {
	last := x.last
	if x.facts == 0 {
		last = of.First - 1
	}
	var tree *merkle.Range
	if x.Tree != nil {
		x.Tree.Through(of.Last)
		tree = &x.Tree.Range
	}
	out.buf = Header{
		Kind: kindIndex, Tree: tree, FirstSeq: of.First, LastSeq: last, Facts: &x.facts, CreatedAt: Seconds(created), Largest: of.Largest,
		File: of.Name, Size: of.Size, Check: of.Check, LastTime: Seconds(x.time),
		Points: len(of.Points), IDs: x.count, Keys: x.entries + x.keys.Len(),
	}.Frame(0)
	body := []byte{indexPoints}
	var before Point
	for _, p := range of.Points {
		body = binary.AppendUvarint(binary.AppendUvarint(body, p.Seq-before.Seq), uint64(p.Offset-before.Offset))
		before = p
	}
	out.frame(body)
}

// write writes the stores, IDs and keys that x holds.
func (x *IndexBuilder) write(out *output) {
	body := []byte{indexStores}
	for _, name := range x.keys.Stores() {
		if body = appendText(body, name); len(body) >= indexFrame {
			out.frame(body)
			body = body[:1]
		}
	}
	out.frame(body)
	body = append(body[:0], indexIDs)
	for _, block := range x.ids {
		body = append(body, block...)
		out.frame(body)
		body = body[:1]
	}
	body[0] = indexKeys
	for k := range x.keys.All() {
		body = binary.AppendUvarint(binary.AppendUvarint(body, uint64(x.stores+k.Store)), k.Seq)
		body = appendID(appendText(body, k.Key), k.ID)
		if len(body) >= indexFrame {
			out.frame(body)
			body = body[:1]
		}
	}
	out.frame(body)
	x.stores += len(x.keys.Stores())
}

// An output takes the frames of an index, for a file or, without one, in buf.
type output struct {
	f   ReadWriter
	end int64  // the offset at which buf is written
	buf []byte // frames that are not written yet
	err error
}

// frame adds a frame with a body, unless the body has no entries.
func (o *output) frame(body []byte) {
	if len(body) < 2 {
		return
	}
	o.buf = wire.AppendFrame(o.buf, body)
	if o.f != nil && len(o.buf) >= writeSize {
		o.flush()
	}
}

func (o *output) flush() {
	if o.err == nil {
		o.err = vfs.WriteAll(o.f, o.buf, o.end)
	}
	o.end += int64(len(o.buf))
	o.buf = o.buf[:0]
}

// moveUp moves the bytes from an offset to the end of the file by some bytes towards the end.
func moveUp(f ReadWriter, from, end, by int64) error {
	buf := make([]byte, min(writeSize, end-from))
	for at := end; at > from; {
		part := buf[:min(int64(len(buf)), at-from)]
		at -= int64(len(part))
		if err := vfs.ReadFull(f, part, at); err != nil {
			return err
		}
		if err := vfs.WriteAll(f, part, at+by); err != nil {
			return err
		}
	}
	return nil
}

func appendText[T string | []byte](dst []byte, text T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// appendID appends the length of the ID's text and the text, or 0 and the bytes of a UUID.
func appendID(dst []byte, id sequencer.ID) []byte {
	if id.Text == "" {
		return append(append(dst, 0), id.UUID[:]...)
	}
	return append(append(dst, byte(len(id.Text))), id.Text...)
}
