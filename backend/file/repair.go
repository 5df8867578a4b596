package file

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// repairPiece makes a damaged piece anew, of the facts in it that can still be read, and returns
// the new one. The rest goes to the quarantine.
func (l *Log) repairPiece(ctx context.Context, p *piece) (*piece, error) {
	if p.snapshot {
		return l.repairSnapshot(ctx, p.last)
	}
	return l.repairSegment(ctx, p.first, p.last)
}

// repairActive repairs the segment that was last written to. It becomes a sealed one.
func (l *Log) repairActive(ctx context.Context, p *piece) (*piece, error) {
	return l.repairSegment(ctx, p.first, 0)
}

// repairSegment makes a segment anew.
func (l *Log) repairSegment(ctx context.Context, first, last uint64) (*piece, error) {
	name := segmentName(first)
	s, err := l.salvage(name, first, last)
	if err != nil {
		return nil, err
	}
	defer s.from.Close()
	n, err := l.create(name)
	if err != nil {
		return nil, err
	}
	n.end = headerSize + wire.FrameOverhead // the header comes last
	s.keep = func(body []byte, _ []backend.Fact) error { return n.append(wire.AppendFrame(nil, body)) }
	if err = s.read(ctx, 0, s.fact); err == nil {
		if s.last == 0 {
			s.last = max(s.seq, s.synced)
		}
		s.gap(s.last + 1)
		err = l.missing(name, s.gaps)
	}
	if err != nil {
		return nil, fmt.Errorf("repair %s: %w", name, errors.Join(err, n.discard()))
	}
	h := header{Kind: kindSegment, FirstSeq: first, LastSeq: s.last, Facts: &s.found, CreatedAt: seconds(l.opts.Now())}
	if err := n.finish(h, nil); err != nil {
		return nil, fmt.Errorf("repair %s: %w", name, err)
	}
	return l.openSegment(first, s.last)
}

// salvage opens a file that is to be repaired. What is skipped goes to the quarantine.
func (l *Log) salvage(name string, first, last uint64) (*salvage, error) {
	from, err := l.opts.fs.Open(l.path(name))
	if err != nil {
		return nil, err
	}
	s := &salvage{name: name, from: from, first: first, last: last, seq: first - 1}
	s.skip = func(from, to int64, reason string) error { return l.quarantine(s.from, name, from, to, reason) }
	return s, nil
}

// missing reports seqs whose facts are lost, durably, before the files that told of them are gone.
func (l *Log) missing(name string, gaps []Range) error {
	if len(gaps) == 0 {
		return nil
	}
	if err := l.keepMissing(name, gaps); err != nil {
		return fmt.Errorf("keep which facts are missing: %w", err)
	}
	l.report.Missing = append(l.report.Missing, gaps...)
	return nil
}

// repairSnapshot makes a snapshot anew.
func (l *Log) repairSnapshot(ctx context.Context, through uint64) (*piece, error) {
	name := snapshotName(through)
	s, err := l.salvage(name, 1, through)
	if err != nil {
		return nil, err
	}
	defer s.from.Close()
	w, err := l.newSnapshot(through)
	if err != nil {
		return nil, err
	}
	s.keep = w.add
	if err = s.read(ctx, 0, s.block); err == nil {
		s.gap(through + 1)
		err = l.missing(name, s.gaps)
	}
	if err != nil {
		return nil, fmt.Errorf("repair %s: %w", name, errors.Join(err, w.file.discard()))
	}
	if err := w.finish(nil); err != nil {
		return nil, fmt.Errorf("repair %s: %w", name, err)
	}
	p, _, err := l.openSnapshot(through)
	return p, err
}

// fillGap makes a segment without facts for seqs whose segments are missing.
func (l *Log) fillGap(first, last uint64) (*piece, error) {
	if err := l.missing(segmentName(first), []Range{{first, last}}); err != nil {
		return nil, err
	}
	n, err := l.create(segmentName(first))
	if err != nil {
		return nil, err
	}
	n.end = headerSize + wire.FrameOverhead
	none := uint64(0)
	if err := n.finish(header{Kind: kindSegment, FirstSeq: first, LastSeq: last, Facts: &none, CreatedAt: seconds(l.opts.Now())}, nil); err != nil {
		return nil, fmt.Errorf("fill the gap from seq %d to %d: %w", first, last, err)
	}
	return l.openSegment(first, last)
}
