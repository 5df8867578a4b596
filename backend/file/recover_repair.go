package file

import (
	"context"
	"errors"
	"fmt"

	"github.com/igniter-store/igniter/backend/file/internal/format"
)

// repair replaces a damaged file by the facts in it that can still be read; the rest goes to the quarantine.
// of describes the file; of.Last is 0 if it is not known, for the segment that was written last.
func (r *recovery) repair(ctx context.Context, of format.File) (*segment, error) {
	if of.Snapshot {
		of = newSnapshot(of.Last)
	} else {
		of = newSegment(of.First, of.Last)
	}
	s, err := r.rebuild(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("repair %s: %w", of.Name, err)
	}
	return s, nil
}

func (r *recovery) rebuild(ctx context.Context, of format.File) (*segment, error) {
	in, err := r.fs.Open(r.join(of.Name))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	size, err := in.Size()
	if err != nil {
		return nil, err
	}
	kind, found := format.KindSegment, of
	if of.Snapshot {
		kind = format.KindSnapshot
	}
	if h, err := r.header(&found, kind); err == nil {
		of.Horizons = h.Horizons
	}
	w, err := r.replaceAs(of, r.successor(of.First))
	if err != nil {
		return nil, err
	}
	s := newSalvage(of)
	s.keep = w.Add
	s.skip = func(from, to int64, reason string) error { return r.quarantine(in, of.Name, from, to, reason) }
	if err = s.read(ctx, in, size); err == nil {
		if of.Last == 0 {
			w.File.Last = max(s.seq, s.synced)
		}
		s.gap(w.File.Last + 1)
		if len(s.gaps) > 0 {
			r.diverge(s.gaps[0].First - 1)
		} else if of.Last == 0 {
			r.diverge(w.File.Last) // what is lost was the last, and its seqs are given again
		}
		w.Identity = r.id
		err = r.missing(of.Name, s.gaps)
	}
	if err != nil {
		return nil, errors.Join(err, w.discard())
	}
	if err := in.Close(); err != nil { // Windows may not rename to the name of an open file
		return nil, errors.Join(err, w.discard())
	}
	return w.finish(nil)
}

// fillGap makes a segment without facts for seqs whose segments are missing.
func (r *recovery) fillGap(first, last uint64) (*segment, error) {
	if err := r.missing(segmentName(first), []Gap{{first, last}}); err != nil {
		return nil, err
	}
	r.diverge(first - 1)
	w, err := r.replace(newSegment(first, last))
	if err != nil {
		return nil, err
	}
	s, err := w.finish(nil)
	if err != nil {
		return nil, fmt.Errorf("fill the gap from seq %d to %d: %w", first, last, err)
	}
	return s, nil
}
