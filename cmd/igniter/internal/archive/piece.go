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
	version    = 1
	blockSize  = 256 << 10
	maxBlock   = 1 << 30 // decompressed
	blockMagic = 0x28    // the first byte of zstd's magic number
)

// Write writes a piece of the facts after seq after through seq through, which come from a log. It follows the piece
// with the summary previous; the zero Summary: none.
func Write(w io.Writer, after, through uint64, previous Summary, facts iter.Seq2[backend.Fact, error]) (Summary, error) {
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
	for f, err := range facts {
		if err == nil {
			err = p.add(&f)
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

func (p *writer) add(f *backend.Fact) error {
	start := len(p.block)
	p.block = wire.CloseFrame(wire.AppendFact(wire.OpenFrame(p.block), f), start)
	p.sum.Facts++
	p.sum.LastID = f.ID
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
	Summary Summary // set when all facts were read

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

// Facts yields the facts of the piece, in order, and checks it whole: where the loop ends without an error, the piece
// is as it was written. It may be called once.
func (r *Reader) Facts() iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		if err := r.read(func(f backend.Fact) bool { return yield(f, nil) }); err != nil && err != errLeft {
			yield(backend.Fact{}, err)
		}
	}
}

// errLeft ends reading whose loop wants no more.
var errLeft = errors.New("the loop was left")

func (r *Reader) read(yield func(backend.Fact) bool) error {
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
			f, err := wire.CheckFact(text)
			if err == nil && (f.Seq <= seq || f.Seq > r.Header.Through) {
				err = fmt.Errorf("seq %d after %d, in a piece through %d", f.Seq, seq, r.Header.Through)
			}
			if err != nil {
				return r.damage("in a block: " + err.Error())
			}
			seq = f.Seq
			sum.Facts++
			if !yield(f) {
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
