package format

import (
	"encoding/binary"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/merkle"
	"github.com/igniter-store/igniter/wire"
)

// An IndexBuilder collects what the index of a file holds, as the facts of the file are read or written. It holds all IDs of the
// file, some 18 bytes each, and its keys; Encode takes as much again, and some more while it grows. For a segment that is bounded by
// the segment's size. For a snapshot it grows with the log.
type IndexBuilder struct {
	facts uint64
	last  uint64    // the seq of the last fact
	time  time.Time // the greatest transaction time
	keys  *sequencer.Keys

	// The IDs are as an index holds them: in each block, the first seq counts from 0, and each other one from the seq
	// before it.
	ids   [][]byte
	count int    // of IDs
	seq   uint64 // of the last ID

	Tree *Tree // nil: it is not computed, which takes longer than all else
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
}

// AddIndex adds the facts that an index describes, which must have stores.
func (x *IndexBuilder) AddIndex(of *Index) error {
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
	})
	if err != nil {
		return err
	}
	return of.Keys(func(facts []sequencer.Loaded) {
		for _, f := range facts {
			x.keys.Set(f.Store, f.Key, f.Seq, f.ID)
		}
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
	*last = binary.AppendUvarint(binary.AppendUvarint(*last, seq-x.seq), uint64(x.keys.Store(store)))
	*last = appendID(*last, id)
	x.seq = seq
	x.count++
}

// indexFrame is about how long the frames of an index are.
const indexFrame = 256 << 10

// Encode returns the index of a file, as a file.
func (x *IndexBuilder) Encode(of *File, created time.Time) []byte {
	last := x.last
	if x.facts == 0 {
		last = of.First - 1
	}
	var tree *merkle.Range
	if x.Tree != nil {
		x.Tree.Through(of.Last)
		tree = &x.Tree.Range
	}
	out := Header{
		Kind: KindIndex, Tree: tree, FirstSeq: of.First, LastSeq: last, Facts: &x.facts, CreatedAt: Seconds(created), Largest: of.Largest,
		File: of.Name, Size: of.Size, Check: of.Check, LastTime: Seconds(x.time),
		Points: len(of.Points), IDs: x.count, Keys: x.keys.Len(),
	}.Frame(0)
	body := []byte{indexPoints}
	flush := func(next byte) {
		if len(body) > 1 {
			out = wire.AppendFrame(out, body)
		}
		body = append(body[:0], next)
	}
	var before Point
	for _, p := range of.Points {
		body = binary.AppendUvarint(binary.AppendUvarint(body, p.Seq-before.Seq), uint64(p.Offset-before.Offset))
		before = p
	}
	flush(indexStores)
	for _, name := range x.keys.Stores() {
		if body = appendText(body, name); len(body) >= indexFrame {
			flush(indexStores)
		}
	}
	flush(indexIDs)
	for _, block := range x.ids {
		body = append(body, block...)
		flush(indexIDs)
	}
	flush(indexKeys)
	for k := range x.keys.All() {
		body = binary.AppendUvarint(binary.AppendUvarint(body, uint64(k.Store)), k.Seq)
		body = appendID(appendText(body, k.Key), k.ID)
		if len(body) >= indexFrame {
			flush(indexKeys)
		}
	}
	flush(0)
	return out
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
