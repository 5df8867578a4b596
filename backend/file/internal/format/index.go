// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
	"unsafe"

	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// An Index reads the index of a file.
type Index struct {
	Header Header
	Time   time.Time // the greatest transaction time in the file
	path   string
	data   io.ReaderAt
	size   int64
}

// ErrNoIndex reports an index that cannot be used: it is damaged, or describes another file.
var ErrNoIndex = errors.New("no index")

// The first bytes of the bodies in an index.
const (
	indexPoints = 'p'
	indexIDs    = 'i'
	indexStores = 's'
	indexKeys   = 'k'
)

// OpenIndex returns the index in data, and checks that it describes a file. The path is for errors.
func OpenIndex(data io.ReaderAt, size int64, path string, of *File) (*Index, error) {
	x := &Index{path: path, data: data, size: size}
	body, err := frames(data, 0, size).Next()
	if err != nil {
		return nil, x.damage(err.Error())
	}
	h, ok := ParseHeader(body)
	if !ok || h.Kind != kindIndex || h.Version < 1 || h.Version > indexVersion {
		return nil, x.damage("it does not begin with the header of an index")
	}
	if h.File != of.Name || h.Size != of.Size || h.Check != of.Check || h.FirstSeq != of.First || h.Facts == nil || *h.Facts != of.Facts {
		return nil, x.damage("it describes another file")
	}
	if h.LastSeq > of.Last || h.LastSeq < of.Last && !of.Gaps {
		return nil, x.damage("it does not end where its file does")
	}
	for _, n := range []int{h.Points, h.IDs, h.Keys} {
		if n < 0 || uint64(n) > of.Facts || int64(n) > size {
			return nil, x.damage("its header says more entries than it can have")
		}
	}
	if uint64(h.IDs) != *h.Facts {
		return nil, x.damage("it lacks IDs")
	}
	if h.Tree != nil && (h.Tree.First() != of.First-1 || h.Tree.End() != of.Last) {
		return nil, x.damage("it has another part of the hash tree")
	}
	if h.LastTime != nil {
		if x.Time, err = wire.ParseTime(h.LastTime); err != nil {
			return nil, x.damage("its header has a bad time")
		}
	}
	x.Header = h
	return x, nil
}

// has reports whether the file may have a seq.
func (x *Index) has(seq uint64) bool { return seq >= x.Header.FirstSeq && seq <= x.Header.LastSeq }

func (x *Index) damage(reason string) error {
	return fmt.Errorf("%w: %s: %s", ErrNoIndex, x.path, reason)
}

// each calls do with the kind and the entries of each frame, until want entries were read. do returns the number of wanted
// entries that it has read.
func (x *Index) each(want int, do func(kind byte, e *entries) int) error {
	r := frames(x.data, 0, x.size)
	for want > 0 {
		body, err := r.Next()
		if err != nil {
			return x.damage(err.Error())
		}
		e := entries{rest: body[1:]}
		want -= do(body[0], &e)
		if e.bad || want < 0 {
			return x.damage("a frame with bad entries")
		}
	}
	return nil
}

// Points returns the points of the file.
func (x *Index) Points() ([]Point, error) {
	var all []Point
	var last Point
	err := x.each(x.Header.Points, func(kind byte, e *entries) (n int) {
		for ; kind == indexPoints && e.more(); n++ {
			next := Point{last.Seq + e.uint(), last.Offset + int64(e.uint())}
			if e.bad = e.bad || !x.has(next.Seq) || next.Seq <= last.Seq || next.Offset <= last.Offset || next.Offset >= x.Header.Size; e.bad {
				break
			}
			all, last = append(all, next), next
		}
		return n
	})
	return all, err
}

// loadBatch is the largest number of entries that are passed on together.
const loadBatch = 1024

// HasStores reports whether the index has the stores of its IDs. Indexes of version 1 lack them.
func (x *Index) HasStores() bool { return x.Header.Version > 1 }

// IDs calls do with the stores and IDs of all facts, many at a time, in the order of their seqs. The stores are "" unless
// HasStores is true. The slice is reused.
func (x *Index) IDs(do func([]sequencer.Loaded)) error {
	batch := make([]sequencer.Loaded, 0, loadBatch)
	last := uint64(0)
	stores := []string{""}
	if x.HasStores() {
		stores = nil
	}
	return x.each(x.Header.IDs, func(kind byte, e *entries) (n int) {
		if x.HasStores() {
			stores = e.stores(kind, stores)
		}
		for seq := uint64(0); kind == indexIDs && e.more(); n++ {
			seq += e.uint()
			store := uint64(0)
			if x.HasStores() {
				store = e.uint()
			}
			id := e.id()
			if e.bad = e.bad || store >= uint64(len(stores)) || !x.has(seq) || seq <= last; e.bad {
				break
			}
			last = seq
			batch = pass(append(batch, sequencer.Loaded{Store: stores[store], Seq: seq, ID: id}), e, do)
		}
		return n
	})
}

// Keys calls do with each key's latest fact, many at a time. The slice is reused; the names share large blocks of memory.
func (x *Index) Keys(do func([]sequencer.Loaded)) error {
	batch := make([]sequencer.Loaded, 0, loadBatch)
	var stores []string
	return x.each(x.Header.Keys, func(kind byte, e *entries) (n int) {
		stores = e.stores(kind, stores)
		for ; kind == indexKeys && e.more(); n++ {
			store, seq, key, id := e.uint(), e.uint(), e.text(), e.id()
			if e.bad = e.bad || store >= uint64(len(stores)) || !x.has(seq); e.bad {
				break
			}
			name := unsafe.String(unsafe.SliceData(key), len(key)) // frames never change
			batch = pass(append(batch, sequencer.Loaded{Store: stores[store], Key: name, Seq: seq, ID: id}), e, do)
		}
		return n
	})
}

// pass calls do with the batch if it is full, or if e has no more entries, and returns the batch to append to.
func pass(batch []sequencer.Loaded, e *entries, do func([]sequencer.Loaded)) []sequencer.Loaded {
	if len(batch) < loadBatch && e.more() {
		return batch
	}
	do(batch)
	return batch[:0]
}

// entries are the entries of a frame.
type entries struct {
	rest []byte
	bad  bool // an entry is cut short or too large
}

func (e *entries) more() bool { return len(e.rest) > 0 && !e.bad }

func (e *entries) uint() uint64 {
	v, n := binary.Uvarint(e.rest)
	if n <= 0 {
		e.bad = true
		return 0
	}
	e.rest = e.rest[n:]
	return v
}

func (e *entries) bytes(n uint64) []byte {
	if n > uint64(len(e.rest)) {
		e.bad = true
		return nil
	}
	b := e.rest[:n]
	e.rest = e.rest[n:]
	return b
}

// stores appends the names of a frame of stores. It ignores frames of other kinds.
func (e *entries) stores(kind byte, names []string) []string {
	for kind == indexStores && e.more() {
		names = append(names, string(e.text()))
	}
	return names
}

func (e *entries) text() []byte { return e.bytes(e.uint()) }

func (e *entries) id() sequencer.ID {
	n := e.bytes(1)
	switch {
	case e.bad:
		return sequencer.ID{}
	case n[0] != 0:
		return sequencer.ID{Text: string(e.bytes(uint64(n[0])))}
	}
	var id sequencer.ID
	copy(id.UUID[:], e.bytes(uint64(len(id.UUID))))
	return id
}
