package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A snapshotWriter makes a snapshot.
type snapshotWriter struct {
	log    *Log
	file   *newFile
	hash   hash.Hash
	index  *indexer
	last   uint64 // the last seq that it covers
	facts  uint64 // in the file
	blocks int
	first  uint64 // the seq of the first fact in block
	block  []byte // frames that are not compressed yet
	body   []byte
}

func (l *Log) newSnapshot(through uint64) (*snapshotWriter, error) {
	n, err := l.create(snapshotName(through))
	if err != nil {
		return nil, err
	}
	w := &snapshotWriter{log: l, file: n, hash: sha256.New(), index: newIndexer(), last: through}
	n.end = headerSize + wire.FrameOverhead // the header comes last
	return w, nil
}

// take copies the facts of a piece.
func (w *snapshotWriter) take(ctx context.Context, p *piece) error {
	if p.snapshot {
		return w.copySnapshot(ctx, p)
	}
	r, err := openPiece(w.log.opts.fs, w.log.dir, p, 0, p.size)
	if err != nil {
		return err
	}
	defer r.close()
	var facts []backend.Fact
	for {
		if err := w.log.goOn(ctx); err != nil {
			return err
		}
		body, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			facts, err = r.parse(facts[:0], body)
		}
		if err == nil {
			err = w.add(body, facts)
		}
		if err != nil {
			return err
		}
	}
}

// add adds a frame.
func (w *snapshotWriter) add(body []byte, facts []backend.Fact) error {
	if len(w.block)+len(body) > wire.MaxMaxFrame/2 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	for i := range facts {
		w.index.add(&facts[i])
	}
	if len(w.block) == 0 {
		w.first = facts[0].Seq
	}
	w.facts += uint64(len(facts))
	w.block = wire.AppendFrame(w.block, body)
	if len(w.block) < blockSize {
		return nil
	}
	return w.flush()
}

// flush compresses the block and writes it.
func (w *snapshotWriter) flush() (err error) {
	if len(w.block) == 0 {
		return nil
	}
	if w.body, err = appendCompressed(w.body[:0], w.block); err != nil {
		return err
	}
	if len(w.body) > wire.MaxMaxFrame {
		return fmt.Errorf("a block of %d bytes that zstd makes %d", len(w.block), len(w.body))
	}
	w.block = w.block[:0]
	return w.write(w.first, w.body)
}

// copy adds the facts of a block that is compressed already.
func (w *snapshotWriter) copy(compressed []byte, frames [][]backend.Fact) error {
	for _, facts := range frames {
		for i := range facts {
			w.index.add(&facts[i])
		}
		w.facts += uint64(len(facts))
	}
	return w.write(frames[0][0].Seq, compressed)
}

// write writes a compressed block.
func (w *snapshotWriter) write(first uint64, body []byte) error {
	w.index.points = append(w.index.points, point{first, w.file.offset()})
	w.blocks++
	return w.frame(body)
}

func (w *snapshotWriter) frame(body []byte) error {
	frame := wire.AppendFrame(nil, body)
	w.hash.Write(frame) // never fails
	return w.file.append(frame)
}

// copySnapshot copies the blocks of an earlier snapshot as they are, with what its index says of
// them.
func (w *snapshotWriter) copySnapshot(ctx context.Context, p *piece) error {
	x, err := w.log.indexOf(ctx, p)
	if err != nil {
		return err
	}
	defer x.close()
	if err := w.index.takeIndex(x); err != nil {
		return err
	}
	r, err := openPiece(w.log.opts.fs, w.log.dir, p, 0, p.size)
	if err != nil {
		return err
	}
	defer r.close()
	seqs := make(map[int64]uint64, len(p.points))
	for _, at := range p.points {
		seqs[at.offset] = at.seq
	}
	for {
		if err := w.log.goOn(ctx); err != nil {
			return err
		}
		body, err := r.raw()
		switch {
		case err == nil && isEnd(body):
			w.facts = p.facts
			return nil
		case err != nil:
			return err
		}
		if r.offset == 0 {
			continue
		}
		first, ok := seqs[r.offset]
		if !ok {
			return r.damage("a block that the index does not know")
		}
		if err := w.write(first, bytes.Clone(body)); err != nil {
			return err
		}
	}
}

// finish completes the file and its index, and puts it in the place of old pieces of the log.
func (w *snapshotWriter) finish(old []*piece) error {
	err := w.flush()
	if err == nil {
		err = w.frame(appendEnd(nil, w.blocks, w.facts))
	}
	if err != nil {
		return errors.Join(err, w.file.discard())
	}
	h := header{Kind: kindSnapshot, FirstSeq: 1, LastSeq: w.last, Facts: &w.facts,
		CreatedAt: seconds(w.log.opts.Now()), SHA256: hex.EncodeToString(w.hash.Sum(nil))}
	p := &piece{name: w.file.name, snapshot: true, first: 1, last: w.last, size: w.file.offset(), facts: w.facts,
		points: w.index.points, thinned: w.facts < w.last, check: h.check()}
	if err := w.file.finish(h, func() { w.log.replace(old, p) }); err != nil {
		return err
	}
	w.log.describe(p, w.index)
	return nil
}
