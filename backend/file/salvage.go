package file

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// A salvage is what can still be read of a file.
type salvage struct {
	name   string
	from   vfs.File
	first  uint64 // the first seq that the file covers
	last   uint64 // the last one; 0: that of the last fact found
	found  uint64 // facts
	seq    uint64 // of the last fact found
	synced uint64 // the highest seq that a marker names
	gaps   []Range
	at     int64 // of the frame, or block, that is read

	keep func(body []byte, facts []backend.Fact) error // gets the facts of each frame
	skip func(from, to int64, reason string) error     // gets where there are none, and why
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
		// The block's CRC says that it is what was written.
		if body, frames, ok = wire.CutFrame(frames); !ok {
			return "a block that holds more than frames", nil
		}
		if why, err = s.fact(body); why != "" {
			bad = why
		}
	}
	return bad, err
}

// read gives the body of every whole frame from an offset on to do, and skips what lies between them.
// do reports what is wrong with a frame that is no good; it is skipped too.
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
			s.at = r.offset
			bad, err := do(body)
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && bad != "" {
				err = s.skip(r.offset, r.offset+int64(len(body))+wire.FrameOverhead, bad)
			}
			if err != nil {
				return err
			}
		}
		if at = r.offset; err == io.EOF || at >= end {
			return nil
		}
		var corrupt *backend.CorruptError
		if !errors.As(err, &corrupt) {
			return err
		}
		next, _, findErr := frames.next(ctx, at+1, end)
		if findErr != nil {
			return findErr
		}
		if next < 0 {
			next = end
		}
		if err := s.skip(at, next, corrupt.Reason); err != nil {
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
