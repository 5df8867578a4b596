// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A Header is the first frame of a piece.
type Header struct {
	Kind      string          `json:"igniter"`
	Version   int             `json:"version"`
	After     uint64          `json:"after"`
	Through   uint64          `json:"through"`
	CreatedAt json.RawMessage `json:"created_at"`
	Previous  string          `json:"previous,omitempty"` // the SHA256 of the previous piece; "": it is the first piece, or is from a stream
	Line      int             `json:"line,omitempty"`     // the line in which the piece was written; 0: the first
	As        []string        `json:"as,omitempty"`       // set if the piece was merged from several: hashes that the next piece may have as Previous

	Log       backend.LogID      `json:"log,omitzero"`        // the log of the piece; zero: the log or the release had no identity
	Ancestors []backend.Ancestor `json:"ancestors,omitempty"` // of that log

	Checkpoint string `json:"checkpoint,omitempty"` // of that log when the piece was begun, as backend.Checkpoint writes it; "": the log or the release had none
}

// A Summary is the last frame of a piece, and its horizons.
type Summary struct {
	Blocks int    `json:"end"`
	Facts  uint64 `json:"facts"`
	LastID string `json:"last_id"`
	SHA256 string `json:"sha256"`

	Horizons map[string]backend.Horizon `json:"-"` // of the facts that the piece lacks; nil: it lacks no facts, or is older than version 3
}

// horizons is the frame before the end of a piece that lacks facts.
type horizons struct {
	Kind     string                     `json:"igniter"`
	Horizons map[string]backend.Horizon `json:"horizons"`
}

const (
	kind       = "backup"
	ofHorizons = "horizons" // a kind of frame
	version    = 3
	blockSize  = 256 << 10
	maxBlock   = 2 * wire.MaxMaxFrame // decompressed: a block is less than blockSize before its last page, which is one frame if it is large
	blockMagic = 0x28                 // the first byte of zstd's magic number
)

// Write writes a piece: the facts after h.After through h.Through, in the frames of the log that h names. It sets the
// other fields of h. previous is the summary of the previous piece; the zero Summary if none exists.
//
// If facts are missing, Write calls ask for the horizons of the log. It does so after it has read pages, since facts
// may be pruned until then.
func Write(w io.Writer, h Header, previous Summary, pages iter.Seq2[wire.Frames, error], ask func() (map[string]backend.Horizon, error)) (Summary, error) {
	hash := sha256.New()
	p := &writer{out: io.MultiWriter(w, hash), sum: Summary{LastID: previous.LastID}}
	var err error
	if p.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
		return p.sum, err
	}
	defer p.zstd.Close()
	h.Kind, h.Version, h.Previous = kind, version, previous.SHA256
	if h.CreatedAt == nil {
		h.CreatedAt = wire.AppendTime(nil, time.Now())
	}
	if err := p.json(h); err != nil {
		return p.sum, err
	}
	for page, err := range pages {
		if err == nil {
			err = p.add(page)
		}
		if err != nil {
			return p.sum, err
		}
	}
	if err := p.flush(); err != nil {
		return p.sum, err
	}
	if p.sum.Facts < h.Through-h.After {
		if p.sum.Horizons, err = ask(); err != nil {
			return p.sum, err
		}
		if err := p.json(horizons{ofHorizons, p.sum.Horizons}); err != nil {
			return p.sum, err
		}
	}
	p.sum.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return p.sum, p.json(p.sum)
}

type writer struct {
	out   io.Writer
	zstd  *zstd.Encoder
	block []byte
	buf   []byte
	sum   Summary
}

func (p *writer) add(page wire.Frames) error {
	if page.Facts == 0 {
		return nil
	}
	p.block = append(p.block, page.Bytes...)
	p.sum.Facts += uint64(page.Facts)
	var last []byte
	for rest := page.Bytes; len(rest) > 0; {
		last, rest, _ = wire.CutFrame(rest)
	}
	facts, err := wire.ParseGroup(nil, last)
	if err != nil {
		return err
	}
	p.sum.LastID = facts[len(facts)-1].ID
	if len(p.block) < blockSize {
		return nil
	}
	return p.flush()
}

func (p *writer) flush() error {
	if len(p.block) == 0 {
		return nil
	}
	body := p.zstd.EncodeAll(p.block, nil)
	if len(body) > wire.MaxMaxFrame {
		return fmt.Errorf("a block of %d bytes that zstd makes %d: %w", len(p.block), len(body), backend.ErrTooLarge)
	}
	p.block = p.block[:0]
	p.sum.Blocks++
	return p.frame(body)
}

func (p *writer) json(v any) error {
	body, err := json.Marshal(v)
	if err == nil {
		err = p.frame(body)
	}
	return err
}

func (p *writer) frame(body []byte) error {
	p.buf = wire.AppendFrame(p.buf[:0], body)
	_, err := p.out.Write(p.buf)
	return err
}

// A reader reads a piece.
type reader struct {
	header  Header
	summary Summary // set when all of the piece was read

	name string
	file io.Closer // nil: the source is the caller's to close
	in   *wire.Reader
	zstd *zstd.Decoder
	hash hash.Hash
	seq  uint64  // of the last fact read
	read Summary // what was read so far
}

// newReader reads the header of a piece. The name is for errors. If src is damaged or not a piece, the error is a
// *DamageError; a piece of a newer release is another error.
func newReader(src io.Reader, name string) (*reader, error) {
	r := &reader{name: name, in: wire.NewReader(src, wire.MaxMaxFrame), hash: sha256.New()}
	body, err := r.next()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &r.header); err != nil || r.header.Kind != kind {
		return nil, r.damage("it does not begin with the header of a backup")
	}
	if r.header.Version > version {
		return nil, fmt.Errorf("%s has version %d of backups, and this program reads versions up to %d: use a newer release", name, r.header.Version, version)
	}
	if r.header.Version < 1 || r.header.Through < r.header.After {
		return nil, r.damage(fmt.Sprintf("its header says version %d, seqs after %d through %d", r.header.Version, r.header.After, r.header.Through))
	}
	r.seq = r.header.After
	return r, nil
}

func (r *reader) close() {
	if r.zstd != nil {
		r.zstd.Close()
	}
	if r.file != nil {
		_ = r.file.Close() // it was only read
	}
}

// block returns the next block, a page for each frame. The error is io.EOF after a complete piece.
func (r *reader) block() (pages []backend.Page, err error) {
	hash := hex.EncodeToString(r.hash.Sum(nil))
	body, err := r.next()
	if err != nil {
		return nil, err
	}
	if body[0] != blockMagic {
		if ended, err := r.end(body); err != nil || !ended {
			return nil, err
		}
		if r.summary.SHA256 != hash || r.summary.Blocks != r.read.Blocks || r.summary.Facts != r.read.Facts {
			return nil, r.damage("its contents do not match its end")
		}
		if _, err := r.in.Next(); err != io.EOF {
			return nil, r.damage("something follows its end")
		}
		return nil, io.EOF
	}
	return r.unpack(body)
}

// end parses a frame that is not a block, and reports whether it is the last one.
func (r *reader) end(body []byte) (bool, error) {
	var h horizons
	if err := json.Unmarshal(body, &h); err != nil {
		return false, r.damage("neither a block nor an end")
	}
	if h.Kind == ofHorizons {
		r.summary.Horizons = h.Horizons
		return false, nil
	}
	if err := json.Unmarshal(body, &r.summary); err != nil || h.Kind != "" {
		return false, r.damage("neither a block nor an end")
	}
	return true, nil
}

// unpack returns the pages in a block.
func (r *reader) unpack(body []byte) (pages []backend.Page, err error) {
	if r.zstd == nil { // most readers read no block
		if r.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecoderLowmem(true)); err != nil {
			return nil, err
		}
	}
	frames, err := r.zstd.DecodeAll(body, nil)
	if err != nil {
		return nil, r.damage("a block that does not decompress: " + err.Error())
	}
	r.read.Blocks++
	in := wire.NewReader(bytes.NewReader(frames), wire.MaxMaxFrame)
	for {
		text, err := in.Next()
		if err == io.EOF {
			return pages, nil
		}
		var facts []backend.Fact
		if err == nil {
			facts, err = wire.CheckGroup(text)
		}
		for i := 0; i < len(facts) && err == nil; i++ {
			seq := facts[i].Seq
			if seq <= r.seq || seq > r.header.Through {
				err = fmt.Errorf("seq %d after %d, in a piece through %d", seq, r.seq, r.header.Through)
			}
			r.seq = seq
		}
		if err != nil {
			return nil, r.damage("in a block: " + err.Error())
		}
		r.read.Facts += uint64(len(facts))
		pages = append(pages, backend.Page{Facts: facts, Through: backend.Cursor{Seq: r.seq}})
	}
}

func (r *reader) next() ([]byte, error) {
	frame, err := r.in.NextFrame()
	if corrupt, ok := errors.AsType[*backend.CorruptError](err); ok {
		return nil, r.damage(corrupt.Reason)
	}
	if _, torn := errors.AsType[*wire.TornError](err); torn || err == io.EOF {
		return nil, r.damage("it is cut short")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.name, err)
	}
	r.hash.Write(frame) // never fails
	return frame[4 : len(frame)-4], nil
}

func (r *reader) damage(reason string) error { return r.damageAt(r.in.Offset(), reason) }

// A tail is how a piece ends.
type tail struct {
	Summary
	facts []backend.Fact // in its last block
}

// tail reads the end of a piece in a file, and with withFacts its last block. It does not read, and so does not check,
// what is before.
func (r *reader) tail(f *os.File, withFacts bool) (t tail, err error) {
	info, err := f.Stat()
	if err != nil {
		return t, err
	}
	at, block := r.in.Offset(), int64(0)
	var head [5]byte // a frame's length, and the first byte of its body
	for {
		if _, err := f.ReadAt(head[:], at); err != nil {
			return t, r.damageAt(at, "it is cut short")
		}
		size := int64(binary.BigEndian.Uint32(head[:])) + wire.FrameOverhead
		if size > info.Size()-at {
			return t, r.damageAt(at, "it is cut short")
		}
		if head[4] == blockMagic {
			block = at
		} else {
			body, err := r.frameAt(f, at, size)
			if err != nil {
				return t, err
			}
			ended, err := r.end(body)
			if err != nil {
				return t, err
			}
			if ended {
				break
			}
		}
		at += size
	}
	t.Summary = r.summary
	if !withFacts || block == 0 {
		return t, nil
	}
	body, err := r.frameAt(f, block, info.Size()-block)
	if err != nil {
		return t, err
	}
	pages, err := r.unpack(body)
	for _, p := range pages {
		t.facts = append(t.facts, p.Facts...)
	}
	return t, err
}

// frameAt reads a frame of a file.
func (r *reader) frameAt(f *os.File, at, size int64) ([]byte, error) {
	body, err := wire.NewReader(io.NewSectionReader(f, at, size), wire.MaxMaxFrame).Next()
	if corrupt, ok := errors.AsType[*backend.CorruptError](err); ok {
		return nil, r.damageAt(at, corrupt.Reason)
	}
	return body, err
}

func (r *reader) damageAt(at int64, reason string) error {
	return &DamageError{&backend.CorruptError{Path: r.name, Offset: at, Reason: reason}}
}

// A DamageError is damage to a piece.
type DamageError struct{ Err *backend.CorruptError }

func (e *DamageError) Error() string { return e.Err.Error() }
func (e *DamageError) Unwrap() error { return e.Err }
