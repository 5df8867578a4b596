// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/seqrange"
)

// The form of an index: indexMagic, and then one zstd frame with the parts below. Numbers are uvarints. A text is its
// length and its bytes:
//
//	an indexHead as JSON, as a text
//	ranges of seqs: those at which the log holds facts
//	ranges of positions: the erased ones
//	kept units: how many; of each: at, less the one before; into
//	places: how many; of each: seq and pos, less those before
//	stores: how many; their names
//	keys: how many; of each: the store's number, the key, the seq of the latest fact, its ID
//	IDs: of each fact: seq, less the one before; the ID
//	0
//
// Ranges are their count, and for each range two distances: from the last number of the previous range to its first, and
// from its first to its last. An ID is 0 and the 16 bytes of a UUID, or a text that is not empty.
const indexMagic = "IGNIDX1\n"

type indexHead struct {
	Log      backend.LogID              `json:"log"`
	Pos      uint64                     `json:"pos"`
	At       uint64                     `json:"at"`
	Hash     hash                       `json:"hash"`
	Seq      uint64                     `json:"seq"`
	Time     time.Time                  `json:"time"`
	Bytes    uint64                     `json:"bytes"`
	Horizons map[string]backend.Horizon `json:"horizons,omitempty"`
	Notes    uint64                     `json:"notes,omitempty"`
	Undone   map[uint64]*note           `json:"undone,omitempty"`
	Loose    map[uint64]uint64          `json:"loose,omitempty"`
}

// Limits of texts in an index, in bytes. The first is for the head, which has a few hundred bytes for each store.
const (
	maxIndexHead = 1 << 28
	maxIndexText = 1 << 16
)

func appendID(b []byte, id sequencer.ID) []byte {
	b = binary.AppendUvarint(b, uint64(len(id.Text)))
	if id.Text != "" {
		return append(b, id.Text...)
	}
	return append(b, id.UUID[:]...)
}

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendRanges(b []byte, s seqrange.Set) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	last := uint64(0)
	for _, r := range s {
		b = binary.AppendUvarint(b, r[0]-last)
		b = binary.AppendUvarint(b, r[1]-r[0])
		last = r[1]
	}
	return b
}

func (x *index) addKey(k *sequencer.Latest) {
	x.keyCount++
	x.keys = binary.AppendUvarint(x.keys, uint64(k.Store))
	x.keys = appendText(x.keys, k.Key)
	x.keys = binary.AppendUvarint(x.keys, k.Seq)
	x.keys = appendID(x.keys, k.ID)
}

// encode writes the index, with the IDs, in ascending order.
func (x *index) encode(to io.Writer, ids iter.Seq2[sequencer.Loaded, error]) error {
	if _, err := io.WriteString(to, indexMagic); err != nil {
		return err
	}
	z, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(z, 64<<10)
	head, err := json.Marshal(indexHead{x.log, x.pos, x.at, x.hash, x.seq, x.time, x.bytes, x.horizons, x.notes, x.undone, x.loose})
	if err != nil {
		return err
	}
	b := appendText(nil, head)
	b = appendRanges(b, x.held)
	b = appendRanges(b, x.pruned.erased)
	b = binary.AppendUvarint(b, uint64(len(x.pruned.kept)))
	last := uint64(0)
	for _, k := range x.pruned.kept {
		b = binary.AppendUvarint(b, k.At-last)
		b = binary.AppendUvarint(b, k.Into)
		last = k.At
	}
	b = binary.AppendUvarint(b, uint64(len(x.places)))
	var before place
	for _, p := range x.places {
		b = binary.AppendUvarint(b, p.seq-before.seq)
		b = binary.AppendUvarint(b, p.pos-before.pos)
		before = p
	}
	b = binary.AppendUvarint(b, uint64(len(x.stores)))
	for _, s := range x.stores {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, x.keyCount)
	_, _ = w.Write(b)
	_, _ = w.Write(x.keys)
	last = 0
	for f, err := range ids {
		if err != nil {
			return err
		}
		b = appendID(binary.AppendUvarint(b[:0], f.Seq-last), f.ID)
		if _, err := w.Write(b); err != nil {
			return err
		}
		last = f.Seq
	}
	_, _ = w.Write([]byte{0})
	return errors.Join(w.Flush(), z.Close())
}

// An indexReader reads the parts of an index. It keeps its first error.
type indexReader struct {
	*bufio.Reader
	err error
	buf []byte
}

func (r *indexReader) number() uint64 {
	if r.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(r.Reader)
	r.err = err
	return n
}

// text returns a text, which is valid until the next one is read.
func (r *indexReader) text(limit uint64) []byte { return r.bytes(r.number(), limit) }

func (r *indexReader) bytes(n, limit uint64) []byte {
	if r.err == nil && n > limit {
		r.err = fmt.Errorf("a text of %d bytes", n)
	}
	if r.err != nil {
		return nil
	}
	if n > maxIndexText { // allocated while it is read
		var all bytes.Buffer
		_, r.err = io.CopyN(&all, r.Reader, int64(n))
		return all.Bytes()
	}
	if uint64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	_, r.err = io.ReadFull(r.Reader, r.buf[:n])
	return r.buf[:n]
}

func (r *indexReader) id() (id sequencer.ID) {
	if n := r.number(); n > 0 {
		id.Text = string(r.bytes(n, backend.MaxIDLen))
	} else {
		copy(id.UUID[:], r.bytes(16, 16))
	}
	return id
}

// after returns the next number of a list: last plus a distance of at least least. It must be at most most.
func (r *indexReader) after(last, least, most uint64) uint64 {
	n := r.number()
	if r.err == nil && (n < least || n > most || last > most-n) {
		r.err = fmt.Errorf("%d after %d, of %d", n, last, most)
	}
	return last + n
}

func (r *indexReader) ranges(most uint64) (s seqrange.Set) {
	last := uint64(0)
	for range r.count(most) {
		least := uint64(2) // between two ranges there is a gap
		if len(s) == 0 {
			least = 1
		}
		first := r.after(last, least, most)
		if last = r.after(first, 0, most); r.err != nil {
			return nil
		}
		s = append(s, [2]uint64{first, last})
	}
	return s
}

// count returns the number of elements that follow.
func (r *indexReader) count(most uint64) uint64 {
	n := r.number()
	if r.err == nil && n > most {
		r.err = fmt.Errorf("%d elements, of at most %d", n, most)
	}
	if r.err != nil {
		return 0
	}
	return n
}

// decodeIndex reads an index. It calls key and id with each key and ID.
func decodeIndex(from io.Reader, key func(sequencer.Loaded), id func(uint64, sequencer.ID) error) (*index, error) {
	magic := make([]byte, len(indexMagic))
	if _, err := io.ReadFull(from, magic); err != nil || string(magic) != indexMagic {
		return nil, fmt.Errorf("it begins with %q, not with %q: %w", magic, indexMagic, errors.Join(err))
	}
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	r := &indexReader{Reader: bufio.NewReaderSize(z, 64<<10)}
	var h indexHead
	if text := r.text(maxIndexHead); r.err == nil {
		r.err = json.Unmarshal(text, &h)
	}
	x := &index{head: head{h.Pos, h.At, h.Hash, h.Seq}, log: h.Log, time: h.Time, bytes: h.Bytes, horizons: h.Horizons, notes: h.Notes, undone: h.Undone, loose: h.Loose, pruned: &pruned{}}
	x.held = r.ranges(x.seq)
	x.pruned.erased = r.ranges(x.pos)
	last := uint64(0)
	for range r.count(x.pos) {
		last = r.after(last, 1, x.pos)
		x.pruned.kept = append(x.pruned.kept, kept{At: last, Into: r.number()})
		if r.err != nil {
			return nil, r.err
		}
	}
	var p place
	for range r.count(x.seq) {
		p.seq = r.after(p.seq, 1, x.seq)
		if p.pos = r.after(p.pos, 0, x.pos); r.err != nil {
			return nil, r.err
		}
		x.places = append(x.places, p)
	}
	for range r.count(x.seq) {
		if x.stores = append(x.stores, string(r.text(maxIndexText))); r.err != nil {
			return nil, r.err
		}
	}
	for range r.count(x.seq) {
		n := r.number()
		name := string(r.text(maxIndexText))
		f := sequencer.Loaded{Key: name, Seq: r.number(), ID: r.id()}
		if r.err == nil && (n >= uint64(len(x.stores)) || !x.held.Has(f.Seq)) {
			r.err = fmt.Errorf("key %q has its latest fact at seq %d in store %d", name, f.Seq, n)
		}
		if r.err != nil {
			return nil, r.err
		}
		f.Store = x.stores[n]
		key(f)
	}
	for last = 0; r.err == nil; {
		n := r.number()
		if n == 0 {
			break
		}
		if last += n; last > x.seq || last < n {
			return nil, fmt.Errorf("an ID of seq %d, after the last one, %d", last, x.seq)
		}
		if fact := r.id(); r.err == nil {
			r.err = id(last, fact)
		}
	}
	if r.err == nil {
		if _, err := r.ReadByte(); err != io.EOF {
			r.err = fmt.Errorf("it has no end: %w", errors.Join(err))
		}
	}
	if errors.Is(r.err, io.EOF) {
		r.err = io.ErrUnexpectedEOF
	}
	return x, r.err
}
