package caslog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
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
	"github.com/igniter-store/igniter/wire"
)

// The form of an index: indexMagic, and then in one zstd frame, with numbers as uvarints, and texts as their length and their
// bytes:
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
// Ranges are how many there are, and of each its first number, less the last one of the range before, and its last, less its
// first. An ID is 0 and the 16 bytes of a UUID, or a text that is not empty.
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

// An indexReader reads the parts of an index. Its first error stays.
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
	if n > maxIndexText { // it is allocated as it comes
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

// after returns the next number of a list, which is from least to most after the last one, and at most most.
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

// count returns how many elements follow.
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

// readBlob reads the index that u names.
func (l *Log) readBlob(ctx context.Context, u *indexUnit, key func(sequencer.Loaded), id func(uint64, sequencer.ID) error) (*index, error) {
	blob, err := l.port.GetBlob(ctx, u.Name)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	sum := sha256.New()
	counted := &io.LimitedReader{R: blob, N: int64(u.Bytes) + 1}
	from := io.TeeReader(counted, sum)
	x, err := decodeIndex(from, key, id)
	if err == nil {
		_, err = io.Copy(io.Discard, from)
	}
	switch {
	case err != nil:
		return nil, err
	case counted.N != 1 || hash(sum.Sum(nil)) != u.Sum:
		return nil, errors.New("its bytes are not what was written")
	case x.log != l.id || x.pos != u.Pos || x.seq != u.Seq:
		return nil, fmt.Errorf("it is of log %s through seq %d at position %d, not of log %s through seq %d at position %d", x.log, x.seq, x.pos, l.id, u.Seq, u.Pos)
	}
	return x, nil
}

// putIndex writes the blob of x. It takes the IDs from the index before, and reads the log from there on.
func (l *Log) putIndex(ctx context.Context, x *index, before *indexUnit) (*indexUnit, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u := &indexUnit{Name: fmt.Sprintf("%020d-%s", x.pos, backend.NewLogID()), Pos: x.pos, Seq: x.seq}
	from, to := io.Pipe()
	encoded := make(chan struct{})
	go func() {
		defer close(encoded)
		w := bufio.NewWriterSize(to, 128<<10)
		err := x.encode(w, l.idsOf(ctx, x, before))
		to.CloseWithError(errors.Join(err, w.Flush()))
	}()
	sum := sha256.New()
	counter := &countingWriter{}
	err := l.port.PutBlob(ctx, u.Name, io.TeeReader(from, io.MultiWriter(sum, counter)))
	cancel()
	from.Close()
	<-encoded
	u.Sum, u.Bytes = hash(sum.Sum(nil)), counter.n
	return u, err
}

type countingWriter struct{ n uint64 }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.n += uint64(len(p))
	return len(p), nil
}

// errLeft ends the reading of an index.
var errLeft = errors.New("caslog: left")

// idsOf yields the IDs of the facts that x holds.
func (l *Log) idsOf(ctx context.Context, x *index, before *indexUnit) iter.Seq2[sequencer.Loaded, error] {
	return func(yield func(sequencer.Loaded, error) bool) {
		var seen seqrange.Set
		give := func(seq uint64, id sequencer.ID) error {
			if x.held.Has(seq) {
				if seen = seen.Append(seq); !yield(sequencer.Loaded{Seq: seq, ID: id}, nil) {
					return errLeft
				}
			}
			return nil
		}
		err := error(nil)
		if before.Name != "" {
			_, err = l.readBlob(ctx, before, func(sequencer.Loaded) {}, give)
		}
		if err == nil {
			err = l.walkIDs(ctx, head{pos: before.Pos, seq: before.Seq}, x.pos, give)
		}
		if err == nil {
			l.mu.Lock()
			if lacks := x.held.Without(seen); len(lacks.Without(lacks.Without(l.held))) > 0 { // the others were pruned meanwhile
				err = fmt.Errorf("the IDs of seqs %v were not found", lacks[0])
			}
			l.mu.Unlock()
		}
		if err != nil && !errors.Is(err, errLeft) {
			yield(sequencer.Loaded{}, err)
		}
	}
}

// walkIDs calls give with the IDs of the facts between two positions. It goes on after errors that pass.
func (l *Log) walkIDs(ctx context.Context, from head, through uint64, give func(uint64, sequencer.ID) error) error {
	var p pause
	for whole := false; !whole; {
		whole = true
		for s, err := range l.walk(ctx, from, through, true) {
			if err != nil && passes(err) {
				if err := p.wait(ctx, l); err != nil {
					return err
				}
				whole = false
				break
			}
			if err != nil {
				return err
			}
			if s.Kind == Facts || s.standIn {
				facts, err := wire.ParseGroup(nil, s.Body)
				if err != nil {
					return l.corrupt("position %d: %v", s.At, err)
				}
				for i := range facts {
					if err := give(facts[i].Seq, sequencer.IDOf(facts[i].ID)); err != nil {
						return err
					}
				}
			}
			from, p = head{pos: s.End, seq: max(from.seq, s.last)}, 0
		}
	}
	return nil
}
