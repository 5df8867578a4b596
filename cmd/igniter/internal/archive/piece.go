package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A Header says what a piece holds.
type Header struct {
	Kind      string          `json:"igniter"`
	Version   int             `json:"version"`
	After     uint64          `json:"after"`
	Through   uint64          `json:"through"`
	CreatedAt json.RawMessage `json:"created_at"`
	Previous  string          `json:"previous,omitempty"`
}

// A Summary says what a piece held.
type Summary struct {
	Blocks int    `json:"end"`
	Facts  uint64 `json:"facts"`
	LastID string `json:"last_id"`
	SHA256 string `json:"sha256"`
}

const (
	kind       = "backup"
	version    = 2
	blockSize  = 256 << 10
	maxBlock   = 1 << 30 // decompressed
	blockMagic = 0x28    // the first byte of zstd's magic number
)

// Write writes a piece of the facts after seq after through seq through, in the frames of a log. It follows the piece
// with the summary previous; the zero Summary: it is the first.
func Write(w io.Writer, after, through uint64, previous Summary, pages iter.Seq2[wire.Frames, error]) (Summary, error) {
	p := &writer{w: w, hash: sha256.New(), sum: Summary{LastID: previous.LastID}}
	var err error
	if p.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
		return p.sum, err
	}
	defer p.zstd.Close()
	header, err := json.Marshal(Header{kind, version, after, through, wire.AppendTime(nil, time.Now()), previous.SHA256})
	if err == nil {
		err = p.frame(header)
	}
	if err != nil {
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
	p.sum.SHA256 = hex.EncodeToString(p.hash.Sum(nil))
	end, err := json.Marshal(p.sum)
	if err == nil {
		err = p.frame(end)
	}
	return p.sum, err
}

type writer struct {
	w     io.Writer
	zstd  *zstd.Encoder
	hash  hash.Hash
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

func (p *writer) frame(body []byte) error {
	p.buf = wire.AppendFrame(p.buf[:0], body)
	p.hash.Write(p.buf) // never fails
	_, err := p.w.Write(p.buf)
	return err
}

// A Reader reads a piece. It is not safe for concurrent use.
type Reader struct {
	Header  Header
	Summary Summary // set when all pages were read

	name string
	in   *wire.Reader
	zstd *zstd.Decoder
	hash hash.Hash
}

// NewReader reads the header of a piece. The name is for errors. What is no piece, or one that is damaged, is a
// *backend.CorruptError, and a piece of a later release an error of its own.
func NewReader(src io.Reader, name string) (*Reader, error) {
	r := &Reader{name: name, in: wire.NewReader(src, wire.MaxMaxFrame), hash: sha256.New()}
	body, err := r.next()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &r.Header); err != nil || r.Header.Kind != kind {
		return nil, r.damage("it does not begin with the header of a backup")
	}
	if r.Header.Version > version {
		return nil, fmt.Errorf("%s has version %d of backups, and this program reads versions up to %d: use a newer release", name, r.Header.Version, version)
	}
	if r.Header.Version < 1 || r.Header.Through < r.Header.After {
		return nil, r.damage(fmt.Sprintf("its header says version %d, seqs after %d through %d", r.Header.Version, r.Header.After, r.Header.Through))
	}
	r.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecoderLowmem(true))
	return r, err
}

// Close releases what the Reader has, but for its source.
func (r *Reader) Close() { r.zstd.Close() }

// Pages yields the facts of the piece, in order, each frame of the log as a page, and checks the piece whole: if the
// loop ends without an error, the piece is as it was written. The last page is empty and says through where the piece
// goes. It may be called once.
func (r *Reader) Pages() iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		err := r.read(func(p backend.Page) bool { return yield(p, nil) })
		if err == nil {
			yield(backend.Page{Through: backend.Cursor{Seq: r.Header.Through}}, nil)
		} else if err != errLeft {
			yield(backend.Page{}, err)
		}
	}
}

// errLeft ends reading when the loop was left.
var errLeft = errors.New("the loop was left")

func (r *Reader) read(yield func(backend.Page) bool) error {
	seq, sum := r.Header.After, Summary{}
	for {
		hash := hex.EncodeToString(r.hash.Sum(nil))
		body, err := r.next()
		if err != nil {
			return err
		}
		if body[0] != blockMagic {
			if err := json.Unmarshal(body, &r.Summary); err != nil {
				return r.damage("neither a block nor an end")
			}
			if r.Summary.SHA256 != hash || r.Summary.Blocks != sum.Blocks || r.Summary.Facts != sum.Facts {
				return r.damage("it does not hold what its end says")
			}
			if _, err := r.in.Next(); err != io.EOF {
				return r.damage("something follows its end")
			}
			return nil
		}
		frames, err := r.zstd.DecodeAll(body, nil)
		if err != nil {
			return r.damage("a block that does not decompress: " + err.Error())
		}
		sum.Blocks++
		blocks := wire.NewReader(bytes.NewReader(frames), wire.MaxMaxFrame)
		for {
			text, err := blocks.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return r.damage("in a block: " + err.Error())
			}
			page := backend.Page{}
			page.Facts, err = wire.CheckGroup(text)
			for i := 0; i < len(page.Facts) && err == nil; i++ {
				f := &page.Facts[i]
				if f.Seq <= seq || f.Seq > r.Header.Through {
					err = fmt.Errorf("seq %d after %d, in a piece through %d", f.Seq, seq, r.Header.Through)
				}
				seq = f.Seq
			}
			if err != nil {
				return r.damage("in a block: " + err.Error())
			}
			sum.Facts += uint64(len(page.Facts))
			page.Through.Seq = seq
			if !yield(page) {
				return errLeft
			}
		}
	}
}

func (r *Reader) next() ([]byte, error) {
	frame, err := r.in.NextFrame()
	var corrupt *backend.CorruptError
	var torn *wire.TornError
	switch {
	case errors.As(err, &corrupt):
		return nil, r.damage(corrupt.Reason)
	case errors.As(err, &torn) || err == io.EOF:
		return nil, r.damage("it ends before its end")
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", r.name, err)
	}
	r.hash.Write(frame) // never fails
	return frame[4 : len(frame)-4], nil
}

func (r *Reader) damage(reason string) error {
	return &backend.CorruptError{Path: r.name, Offset: r.in.Offset(), Reason: reason}
}
