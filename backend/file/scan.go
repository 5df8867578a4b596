package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// scan reads a sealed piece whole, checks that it holds what it should, and gives the facts of each
// frame to do, with the offset of the frame (or block) that they are in. The slice is used again.
func (l *Log) scan(ctx context.Context, p *piece, do func(facts []backend.Fact, offset int64) error) error {
	r, err := openPiece(l.opts.fs, l.dir, p, 0, p.size)
	if err != nil {
		return err
	}
	defer r.close()
	count, last := uint64(0), p.first-1
	var facts []backend.Fact
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		body, err := r.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			facts, err = r.parse(facts[:0], body)
		}
		if err != nil {
			return err
		}
		for i := range facts {
			seq := facts[i].Seq
			if seq <= last || seq > p.last {
				return r.damage(fmt.Sprintf("a fact with seq %d after %d, in a file for %d to %d", seq, last, p.first, p.last))
			}
			last = seq
		}
		count += uint64(len(facts))
		if err := do(facts, r.offset); err != nil {
			return err
		}
	}
	if count != p.facts {
		return r.damage(fmt.Sprintf("%d facts where there should be %d", count, p.facts))
	}
	return nil
}

// readHeader reads the header of a file, and returns its body and the size of the file too.
func (l *Log) readHeader(name, kind string) (h header, body []byte, size int64, err error) {
	path := filepath.Join(l.dir, name)
	f, err := l.opts.fs.Open(path)
	if err != nil {
		return h, nil, 0, err
	}
	defer f.Close()
	if size, err = f.Size(); err != nil {
		return h, nil, 0, err
	}
	body, err = wire.NewReader(sectionOf(f, 0, size), wire.MaxMaxFrame).Next()
	if err != nil {
		var corrupt *backend.CorruptError
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &corrupt) {
			err = &backend.CorruptError{Path: path, Reason: "the file does not begin with a whole header: " + err.Error()}
		}
		return h, nil, size, err
	}
	h, err = parseHeader(body, kind, path)
	return h, body, size, err
}

// openSegment returns the segment with a name; last is what it covers if it does not say so itself.
func (l *Log) openSegment(first, last uint64) (*piece, error) {
	name := segmentName(first)
	h, body, size, err := l.readHeader(name, kindSegment)
	if err != nil {
		return nil, err
	}
	p := &piece{name: name, first: first, last: last, size: size, check: checkOf(body), facts: last + 1 - first}
	reason := ""
	if p.sync = h.Sync; h.Facts == nil && h.Sync != SyncAlways && h.Sync != SyncInterval && h.Sync != SyncNever {
		reason = fmt.Sprintf("the header says that it is synced %q", h.Sync)
	}
	if h.FirstSeq != first {
		reason = fmt.Sprintf("the header is that of the segment of seq %d", h.FirstSeq)
	}
	if h.Facts != nil {
		p.thinned, p.last, p.facts = true, h.LastSeq, *h.Facts
		if h.LastSeq+1 < first || h.LastSeq > maxSeq || *h.Facts > h.LastSeq+1-first {
			reason = fmt.Sprintf("the header says %d facts from seq %d to %d", *h.Facts, first, h.LastSeq)
		}
	}
	if reason != "" {
		return nil, &backend.CorruptError{Path: l.path(name), Reason: reason}
	}
	return p, nil
}

// openSnapshot returns the snapshot with a name.
func (l *Log) openSnapshot(through uint64) (*piece, header, error) {
	name := snapshotName(through)
	h, body, size, err := l.readHeader(name, kindSnapshot)
	if err != nil {
		return nil, h, err
	}
	if h.FirstSeq != 1 || h.LastSeq != through || h.Facts == nil || *h.Facts > through {
		return nil, h, &backend.CorruptError{Path: l.path(name), Reason: fmt.Sprintf(
			"the header is that of a snapshot of seqs %d to %d", h.FirstSeq, h.LastSeq)}
	}
	return &piece{name: name, snapshot: true, first: 1, last: through, size: size, check: checkOf(body),
		facts: *h.Facts, thinned: *h.Facts < through}, h, nil
}
