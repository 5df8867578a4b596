package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
	"unsafe"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/backend/internal/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// An indexFile is the index of a piece, in a file or in memory. It serves only while it is of
// exactly the piece that is there: it names the piece's size and the CRC of its header. One that is
// missing, damaged or of another piece is made anew from the piece.
type indexFile struct {
	header header
	time   time.Time // the greatest transaction time in the piece
	path   string
	data   io.ReaderAt
	size   int64
	close  func() error
}

// errNoIndex is an index that can't be used.
var errNoIndex = errors.New("no index")

// openIndex opens the index of a piece.
func (l *Log) openIndex(p *piece) (*indexFile, error) {
	x := &indexFile{path: l.path(p.name + indexExt)}
	f, err := l.opts.fs.Open(x.path)
	if err != nil {
		return nil, err
	}
	x.data, x.close = f, f.Close
	if x.size, err = f.Size(); err == nil {
		err = x.begin(p)
	}
	if err != nil {
		return nil, errors.Join(err, x.close())
	}
	return x, nil
}

// memoryIndex returns an index that has no file.
func memoryIndex(p *piece, data []byte) (*indexFile, error) {
	x := &indexFile{path: p.name + indexExt, data: bytes.NewReader(data), size: int64(len(data)), close: func() error { return nil }}
	return x, x.begin(p)
}

// begin reads the header, and checks that the index is of the piece.
func (x *indexFile) begin(p *piece) error {
	body, err := x.frames().Next()
	if err != nil {
		return x.damage(err.Error())
	}
	if x.header, err = parseHeader(body, kindIndex, x.path); err != nil {
		return err
	}
	h := x.header
	if h.File != p.name || h.Size != p.size || h.Check != p.check || h.FirstSeq != p.first || h.Facts == nil || *h.Facts != p.facts {
		return x.damage("it is of another file")
	}
	if h.LastSeq > p.last || h.LastSeq < p.last && !p.thinned {
		return x.damage("it does not end where its file does")
	}
	for _, n := range []int{h.Points, h.IDs, h.Keys} {
		if n < 0 || uint64(n) > p.facts || int64(n) > x.size {
			return x.damage("it says that it has more than it can have")
		}
	}
	if h.LastTime != nil {
		if x.time, err = wire.ParseTime(h.LastTime); err != nil {
			return x.damage("a time that is none")
		}
	}
	return nil
}

// has reports whether the index may have a seq.
func (x *indexFile) has(seq uint64) bool { return seq >= x.header.FirstSeq && seq <= x.header.LastSeq }

func (x *indexFile) damage(reason string) error {
	return fmt.Errorf("%w: %s: %s", errNoIndex, x.path, reason)
}

func (x *indexFile) frames() *wire.Reader {
	return wire.NewReader(sectionOf(x.data, 0, x.size), wire.MaxMaxFrame)
}

// each calls do with the entries in each frame of a kind, after the kind, until it has seen as many
// as there should be. do returns how many entries it has seen.
func (x *indexFile) each(kind byte, want int, do func(c *cursor) int) error {
	r := x.frames()
	for want > 0 {
		body, err := r.Next()
		if err != nil {
			return x.damage(err.Error())
		}
		if body[0] != kind {
			continue
		}
		c := cursor{rest: body[1:]}
		want -= do(&c)
		if c.bad {
			return x.damage("a frame that makes no sense")
		}
	}
	if want < 0 {
		return x.damage("more entries than its header says")
	}
	return nil
}

// points returns the points of the piece.
func (x *indexFile) points() ([]point, error) {
	var all []point
	var last point
	err := x.each(framePoints, x.header.Points, func(c *cursor) int {
		n := len(all)
		for c.more() {
			next := point{last.seq + c.uint(), last.offset + int64(c.uint())}
			if c.bad = c.bad || !x.has(next.seq) || next.seq <= last.seq || next.offset <= last.offset || next.offset >= x.header.Size; c.bad {
				break
			}
			all, last = append(all, next), next
		}
		return len(all) - n
	})
	return all, err
}

// loadBatch is how many entries are given on at once, at most.
const loadBatch = 1024

// ids calls do with the latest IDs, in the order of their seqs, many at once. The slice is used again.
func (x *indexFile) ids(do func([]sequencer.Loaded)) error {
	batch := make([]sequencer.Loaded, 0, loadBatch)
	last := uint64(0)
	return x.each(frameIDs, x.header.IDs, func(c *cursor) int {
		n, seq := 0, uint64(0)
		for c.more() {
			seq += c.uint()
			id := c.id()
			if c.bad = c.bad || !x.has(seq) || seq <= last; c.bad {
				break
			}
			last = seq
			n++
			if batch = append(batch, sequencer.Loaded{Seq: seq, ID: id}); len(batch) == loadBatch || !c.more() {
				do(batch)
				batch = batch[:0]
			}
		}
		return n
	})
}

// keys calls do with each key's latest fact, many at once. The slice is used again; the names keep
// large blocks of memory.
func (x *indexFile) keys(do func([]sequencer.Loaded)) error {
	batch := make([]sequencer.Loaded, 0, loadBatch)
	var stores []string
	r := x.frames()
	for want := x.header.Keys; want > 0; {
		body, err := r.Next()
		if err != nil {
			return x.damage(err.Error())
		}
		c := cursor{rest: body[1:]}
		switch body[0] {
		case frameStores:
			for c.more() {
				stores = append(stores, string(c.text()))
			}
		case frameKeys:
			for ; c.more(); want-- {
				store, seq, key, id := c.uint(), c.uint(), c.text(), c.id()
				if c.bad = c.bad || store >= uint64(len(stores)) || !x.has(seq); c.bad {
					break
				}
				name := unsafe.String(unsafe.SliceData(key), len(key)) // frames never change
				if batch = append(batch, sequencer.Loaded{Store: stores[store], Key: name, Seq: seq, ID: id}); len(batch) == loadBatch || !c.more() {
					do(batch)
					batch = batch[:0]
				}
			}
		}
		if c.bad || want < 0 {
			return x.damage("a frame that makes no sense")
		}
	}
	return nil
}

// A cursor reads entries.
type cursor struct {
	rest []byte
	bad  bool // an entry was cut short or is too large
}

func (c *cursor) more() bool { return len(c.rest) > 0 && !c.bad }

func (c *cursor) uint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.bad = true
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.bad = true
		return nil
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) text() []byte { return c.bytes(c.uint()) }

func (c *cursor) id() sequencer.ID {
	n := c.bytes(1)
	switch {
	case c.bad:
		return sequencer.ID{}
	case n[0] != 0:
		return sequencer.ID{Text: string(c.bytes(uint64(n[0])))}
	}
	var id sequencer.ID
	copy(id.UUID[:], c.bytes(uint64(len(id.UUID))))
	return id
}

// buildIndex reads a sealed piece and returns its index.
func (l *Log) buildIndex(ctx context.Context, p *piece) ([]byte, error) {
	x := newIndexer()
	x.last = p.first - 1
	far := int64(pointEvery)
	if p.snapshot {
		far = 1 // each block
	}
	err := l.scan(ctx, p, func(facts []backend.Fact, offset int64) error {
		x.points = mark(x.points, facts[0].Seq, offset, far)
		for i := range facts {
			x.add(&facts[i])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return x.encode(header{FirstSeq: p.first, CreatedAt: seconds(l.opts.Now()), File: p.name, Size: p.size, Check: p.check}), nil
}

// takeIndex takes in the facts that an index is of.
func (x *indexer) takeIndex(of *indexFile) error {
	x.facts += *of.header.Facts
	x.last = max(x.last, of.header.LastSeq)
	x.addTime(of.time)
	err := of.ids(func(facts []sequencer.Loaded) {
		for i := range facts {
			x.addID(facts[i].ID, facts[i].Seq)
		}
	})
	if err != nil {
		return err
	}
	return of.keys(func(facts []sequencer.Loaded) {
		for _, f := range facts {
			x.keys.Set(f.Store, f.Key, f.Seq, f.ID)
		}
	})
}

// makeIndex makes the index of a sealed piece. The caller has called maintain.
func (l *Log) makeIndex(ctx context.Context, p *piece) error {
	data, err := l.buildIndex(ctx, p)
	if err != nil {
		return err
	}
	return l.writeIndex(p, data)
}

// writeIndex writes the index of a piece. It need not be durable: one that is lost or torn is made
// again.
//
//	open(NAME.idx.tmp, O_CREAT|O_TRUNC)
//	pwrite
//	rename(NAME.idx.tmp, NAME.idx)
func (l *Log) writeIndex(p *piece, data []byte) error {
	n, err := l.create(p.name + indexExt)
	if err != nil {
		return err
	}
	if err := vfs.WriteAll(n.file, data, 0); err != nil {
		return errors.Join(err, n.discard())
	}
	err = errors.Join(n.file.Close(), l.opts.fs.Rename(l.path(n.name+tempExt), l.path(n.name)))
	if err == nil {
		p.index.Store(int64(len(data)))
	}
	return err
}

func checkOf(headerBody []byte) uint32 { return crc32.ChecksumIEEE(headerBody) }
