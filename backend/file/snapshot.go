package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/igniter-store/igniter/backend"
)

// WriteSnapshot implements backend.Backend. It makes one compressed file of whole segments, through
// the one that has the seq through, and removes them. Of an earlier snapshot it copies the blocks as
// they are. Writers, readers and followers go on meanwhile; Prune waits.
func (l *Log) WriteSnapshot(ctx context.Context, through uint64) error {
	if err := l.writeSnapshot(ctx, through); err != nil {
		return fmt.Errorf("file: write snapshot: %w", err)
	}
	return nil
}

func (l *Log) writeSnapshot(ctx context.Context, through uint64) error {
	if err := l.maintain(ctx); err != nil {
		return err
	}
	defer l.maintained()
	last, err := l.lastSeq()
	if err != nil {
		return err
	}
	if sealed := l.sealedThrough(); through == 0 || through > sealed {
		if err := l.rollIfUsed(ctx); err != nil {
			return err
		}
		if through == 0 {
			through = max(last, sealed)
		}
	}
	var old []*piece
	for _, p := range l.sealedPieces() {
		if p.first > through {
			break
		}
		old = append(old, p)
	}
	if len(old) == 0 || len(old) == 1 && old[0].snapshot {
		return nil
	}
	if err := l.consolidate(ctx, old); err != nil {
		return l.failIf(err)
	}
	l.drop(old)
	return nil
}

// consolidate puts one snapshot in the place of pieces.
func (l *Log) consolidate(ctx context.Context, old []*piece) error {
	w, err := l.newSnapshot(old[len(old)-1].last)
	if err != nil {
		return err
	}
	for _, p := range old {
		if err := w.take(ctx, p); err != nil {
			return errors.Join(err, w.file.discard())
		}
	}
	return w.finish(old)
}

// checkSnapshot reads a snapshot whole, compares it with its hash, and gives its facts to do as scan
// does.
func (l *Log) checkSnapshot(ctx context.Context, p *piece, h header, do func(facts []backend.Fact, offset int64) error) error {
	f, err := l.opts.fs.Open(l.path(p.name))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	for at := int64(len(h.frame(headerSize))); at < p.size; at += writeSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.Copy(sum, sectionOf(f, at, min(at+writeSize, p.size))); err != nil {
			return err
		}
	}
	if hex.EncodeToString(sum.Sum(nil)) != h.SHA256 {
		return &backend.CorruptError{Path: l.path(p.name), Reason: "the snapshot's content does not have the hash that its header says"}
	}
	return l.scan(ctx, p, do)
}
