package file

import (
	"context"
	"errors"
	"fmt"
	"io"

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

// A salvage is a file that is made of what can still be read of another.
type salvage struct {
	log    *Log
	name   string
	from   file
	to     *newFile
	first  uint64 // the first seq that the file covers
	last   uint64 // the last one; 0: that of the last fact found
	found  uint64 // facts
	seq    uint64 // of the last fact found
	synced uint64 // the highest seq that a marker names
	gaps   []Range
	keep   func(body []byte, facts []backend.Fact) error
}

// salvage opens the files for a segment.
func (l *Log) salvage(name string, first, last uint64) (*salvage, error) {
	from, err := l.opts.fs.Open(l.path(name))
	if err != nil {
		return nil, err
	}
	to, err := l.create(name)
	if err != nil {
		return nil, errors.Join(err, from.Close())
	}
	s := &salvage{log: l, name: name, from: from, to: to, first: first, last: last, seq: first - 1}
	s.keep = func(body []byte, _ []backend.Fact) error { return s.to.append(wire.AppendFrame(nil, body)) }
	to.end = headerSize + wire.FrameOverhead // the header comes last
	return s, nil
}

// repairSegment makes a segment anew.
func (l *Log) repairSegment(ctx context.Context, first, last uint64) (*piece, error) {
	s, err := l.salvage(segmentName(first), first, last)
	if err == nil {
		err = s.read(ctx, 0, s.fact)
	}
	if err == nil {
		if s.last == 0 {
			s.last = max(s.seq, s.synced)
		}
		s.gap(s.last + 1)
		err = s.to.finish(header{Kind: kindSegment, FirstSeq: first, LastSeq: s.last, Facts: &s.found, CreatedAt: seconds(l.opts.Now())}, nil)
	} else if s != nil {
		err = errors.Join(err, s.to.discard())
	}
	if s != nil {
		err = errors.Join(err, s.from.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("repair %s: %w", segmentName(first), err)
	}
	l.report.Missing = append(l.report.Missing, s.gaps...)
	return l.openSegment(first, s.last)
}

// repairSnapshot makes a snapshot anew.
func (l *Log) repairSnapshot(ctx context.Context, through uint64) (*piece, error) {
	name := snapshotName(through)
	from, err := l.opts.fs.Open(l.path(name))
	if err != nil {
		return nil, err
	}
	defer from.Close()
	w, err := l.newSnapshot(through)
	if err != nil {
		return nil, err
	}
	s := &salvage{log: l, name: name, from: from, first: 1, last: through, keep: w.add}
	if err := s.read(ctx, 0, s.block); err != nil {
		return nil, fmt.Errorf("repair %s: %w", name, errors.Join(err, w.file.discard()))
	}
	s.gap(through + 1)
	if err := w.finish(nil); err != nil {
		return nil, fmt.Errorf("repair %s: %w", name, err)
	}
	l.report.Missing = append(l.report.Missing, s.gaps...)
	p, _, err := l.openSnapshot(through)
	return p, err
}

// block takes in the body of a frame of a snapshot.
func (s *salvage) block(body []byte) (bad string, err error) {
	if body[0] != blockMagic {
		if _, err := parseHeader(body, kindSnapshot, s.name); err != nil && !isEnd(body) {
			return "neither a header nor a block nor an end", nil
		}
		return "", nil
	}
	frames, err := decompress(body)
	if err != nil {
		return err.Error(), nil
	}
	for len(frames) > 0 && err == nil {
		var ok bool
		var why string
		if body, frames, ok = wire.CutFrame(frames); !ok {
			return "a block that holds more than frames", nil
		}
		if why, err = s.fact(body); why != "" {
			bad = why
		}
	}
	return bad, err
}

// read gives the body of every whole frame from an offset on to do, and what lies between them to
// the quarantine. do reports what is wrong with a frame that is no good.
func (s *salvage) read(ctx context.Context, at int64, do func(body []byte) (bad string, err error)) error {
	size, err := s.from.Size()
	if err != nil {
		return err
	}
	end, err := dataEnd(s.from, at, size)
	if err != nil {
		return err
	}
	frames := newSearch(s.from, at, size)
	for at < end {
		r := &frameReader{path: s.name, file: s.from, base: at, to: size, r: wire.NewReader(sectionOf(s.from, at, size), wire.MaxMaxFrame)}
		body, err := r.raw()
		for ; err == nil; body, err = r.raw() {
			bad, err := do(body)
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && bad != "" {
				err = s.log.quarantine(s.from, s.name, r.offset, r.offset+int64(len(body))+wire.FrameOverhead, bad)
			}
			if err != nil {
				return err
			}
		}
		if at = r.offset; err == io.EOF || at >= end {
			return nil
		}
		if !errors.Is(err, backend.ErrCorrupt) {
			return err
		}
		next, _, findErr := frames.next(ctx, at+1, end)
		if findErr != nil {
			return findErr
		}
		if next < 0 {
			next = end
		}
		if err := s.log.quarantine(s.from, s.name, at, next, err.Error()); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// fact takes in the body of a frame of a segment.
func (s *salvage) fact(body []byte) (bad string, err error) {
	if n, ok := parseMarker(body); ok {
		s.synced = max(s.synced, n)
		return "", nil
	}
	if h, err := parseHeader(body, kindSegment, s.name); err == nil && h.FirstSeq == s.first {
		return "", nil
	}
	facts, err := wire.ParseGroup(nil, body)
	if err != nil {
		return "no facts: " + err.Error(), nil
	}
	for i, seq := 0, s.seq; i < len(facts); i++ {
		if facts[i].Seq <= seq || facts[i].Seq > maxSeq || s.last != 0 && facts[i].Seq > s.last {
			return fmt.Sprintf("a fact with seq %d after %d", facts[i].Seq, seq), nil
		}
		seq = facts[i].Seq
	}
	for i := range facts {
		s.gap(facts[i].Seq)
		s.seq = facts[i].Seq
	}
	s.found += uint64(len(facts))
	return "", s.keep(body, facts)
}

// gap notes that there are no facts after the last one found and before seq.
func (s *salvage) gap(seq uint64) {
	if seq > s.seq+1 {
		s.gaps = append(s.gaps, Range{s.seq + 1, seq - 1})
	}
}

// fillGap makes a segment without facts for seqs whose segments are missing.
func (l *Log) fillGap(first, last uint64) (*piece, error) {
	n, err := l.create(segmentName(first))
	if err != nil {
		return nil, err
	}
	n.end = headerSize + wire.FrameOverhead
	none := uint64(0)
	if err := n.finish(header{Kind: kindSegment, FirstSeq: first, LastSeq: last, Facts: &none, CreatedAt: seconds(l.opts.Now())}, nil); err != nil {
		return nil, fmt.Errorf("fill the gap from seq %d to %d: %w", first, last, err)
	}
	l.report.Missing = append(l.report.Missing, Range{first, last})
	return l.openSegment(first, last)
}
