package file

import (
	"encoding/binary"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// An indexer collects what the index of a piece holds, as its facts are read.
type indexer struct {
	facts  uint64
	last   uint64    // the seq of the last fact
	time   time.Time // the greatest transaction time
	points []point
	latest int      // how many IDs to keep at least
	ids    idBlocks // the last ones
	older  idBlocks // those before them
	keys   *sequencer.Keys
}

// idBlocks are IDs as an index holds them: each begins with how far its seq is from the one before,
// or from 0 at the start of a block.
type idBlocks struct {
	blocks [][]byte
	count  int
	seq    uint64 // of the last one
}

func newIndexer() *indexer { return &indexer{latest: sequencer.Remembered, keys: sequencer.NewKeys()} }

// add takes in a fact. Facts are added in the order of their seqs.
func (x *indexer) add(f *backend.Fact) {
	id := sequencer.IDOf(f.ID)
	x.facts++
	x.last = f.Seq
	x.addTime(f.TransactionTime)
	x.addID(id, f.Seq)
	x.keys.Set(f.Store, f.Key, f.Seq, id)
}

func (x *indexer) addTime(t time.Time) {
	if t.After(x.time) {
		x.time = t
	}
}

// addID keeps the latest IDs: as many as a log must remember, and at most twice that.
func (x *indexer) addID(id sequencer.ID, seq uint64) {
	if x.ids.count == x.latest {
		x.older, x.ids = x.ids, idBlocks{}
	}
	x.ids.add(id, seq)
}

func (b *idBlocks) add(id sequencer.ID, seq uint64) {
	if n := len(b.blocks); n == 0 || len(b.blocks[n-1]) >= indexFrame {
		b.blocks, b.seq = append(b.blocks, nil), 0
	}
	last := &b.blocks[len(b.blocks)-1]
	*last = appendID(binary.AppendUvarint(*last, seq-b.seq), id)
	b.seq = seq
	b.count++
}

// appendID appends the length of the ID's text and that text, or 0 and the bytes of a UUID.
func appendID(dst []byte, id sequencer.ID) []byte {
	if id.Text == "" {
		return append(append(dst, 0), id.UUID[:]...)
	}
	return append(append(dst, byte(len(id.Text))), id.Text...)
}

// Kinds of the frames in an index, the first byte of each body.
const (
	framePoints = 'p'
	frameIDs    = 'i'
	frameStores = 's'
	frameKeys   = 'k'
)

// indexFrame is how long the frames of an index are, about.
const indexFrame = 256 << 10

// encode returns the index as a file: a header, the points, the IDs, the names of stores, the keys.
// h says what it is of.
func (x *indexer) encode(h header) []byte {
	h.Kind, h.LastSeq, h.Facts, h.LastTime = kindIndex, x.last, &x.facts, seconds(x.time)
	h.Points, h.IDs, h.Keys = len(x.points), x.older.count+x.ids.count, x.keys.Len()
	out := h.frame(0)
	body := []byte{framePoints}
	flush := func(next byte) {
		if len(body) > 1 {
			out = wire.AppendFrame(out, body)
		}
		body = append(body[:0], next)
	}
	var last point
	for _, p := range x.points {
		body = binary.AppendUvarint(binary.AppendUvarint(body, p.seq-last.seq), uint64(p.offset-last.offset))
		last = p
	}
	flush(frameIDs)
	for _, ids := range [][][]byte{x.older.blocks, x.ids.blocks} {
		for _, block := range ids {
			body = append(body, block...)
			flush(frameIDs)
		}
	}
	flush(frameStores)
	for _, name := range x.keys.Stores() {
		if body = appendText(body, name); len(body) >= indexFrame {
			flush(frameStores)
		}
	}
	flush(frameKeys)
	for k := range x.keys.All() {
		body = binary.AppendUvarint(binary.AppendUvarint(body, uint64(k.Store)), k.Seq)
		body = appendID(appendText(body, k.Key), k.ID)
		if len(body) >= indexFrame {
			flush(frameKeys)
		}
	}
	flush(0)
	return out
}

func appendText[T string | []byte](dst []byte, text T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}
