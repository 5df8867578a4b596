// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
)

// repair replaces a damaged file by one with the facts that can still be read; the rest goes to the quarantine. of
// describes the file. For the last segment, of.Last may be 0: it is not known.
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
	h, headerErr := r.header(&found, kind)
	if headerErr == nil {
		of.Horizons, of.Nodes = h.Horizons, h.Nodes
	}
	if size == 0 { // for the report
		if err := r.quarantine(in, of.Name, 0, 0, "the file is empty"); err != nil {
			return nil, err
		}
	}
	w, err := r.replaceAs(of, r.successor(of.First))
	if err != nil {
		return nil, err
	}
	s := newSalvage(of)
	s.keep, s.nodes = w.Add, w.AddNodes
	s.skip = func(from, to int64, reason string) error { return r.quarantine(in, of.Name, from, to, reason) }
	if err = s.read(ctx, in, size); err == nil {
		if of.Last == 0 {
			w.File.Last = max(s.seq, s.synced)
		}
		s.gap(w.File.Last + 1)
		if len(s.gaps) > 0 {
			r.diverge(s.gaps[0].First - 1)
		} else if of.Last == 0 {
			r.diverge(w.File.Last) // the last facts are lost, and their seqs will be given to other facts
		}
		w.Identity = r.id
		err = r.missing(of.Name, s.gaps)
		if whole := headerErr == nil && h.Facts != nil && *h.Facts == w.File.Facts; err == nil && len(s.gaps) > 0 && !whole {
			w.File.Horizons, err = r.losing(ctx, w.File)
		}
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
func (r *recovery) fillGap(ctx context.Context, first, last uint64) (*segment, error) {
	if err := r.missing(segmentName(first), []Gap{{first, last}}); err != nil {
		return nil, err
	}
	r.diverge(first - 1)
	of, err := newSegment(first, last), error(nil)
	if of.Horizons, err = r.losing(ctx, of); err != nil {
		return nil, err
	}
	w, err := r.replace(of)
	if err != nil {
		return nil, err
	}
	s, err := w.finish(nil)
	if err != nil {
		return nil, fmt.Errorf("fill the gap from seq %d to %d: %w", first, last, err)
	}
	return s, nil
}

// losing returns the horizons of a file that lost facts of unknown stores. The horizon is the log's last fact, since the
// lost facts may have been the values of keys until then. If the lost facts were the last ones, their times are not known.
func (r *recovery) losing(ctx context.Context, of format.File) (format.Horizons, error) {
	if r.latest == nil {
		h, err := r.findLatest(ctx)
		if err != nil {
			return nil, fmt.Errorf("find the log's last fact: %w", err)
		}
		r.latest = &h
	}
	h := *r.latest
	if of.Last > h.Seq {
		h = h.Later(backend.Horizon{Seq: of.Last, Time: r.now().UTC()})
	}
	return format.Join(of.Horizons, format.Horizons{backend.AllStores: h}), nil
}

// findLatest finds the greatest seq and time of the facts that can still be read. Files may be damaged, so it reads them all.
func (r *recovery) findLatest(ctx context.Context) (h backend.Horizon, err error) {
	var files []format.File
	for _, through := range r.found.snapshots {
		files = append(files, newSnapshot(through))
	}
	for _, first := range r.found.segments {
		files = append(files, newSegment(first, 0))
	}
	for _, f := range files {
		s := newSalvage(f)
		s.skip = func(int64, int64, string) error { return nil }
		s.keep = func(_ []byte, facts []backend.Fact) error {
			for i := range facts {
				h = h.Later(backend.Horizon{Seq: facts[i].Seq, Time: facts[i].TransactionTime.UTC()})
			}
			return nil
		}
		if err := r.salvage(ctx, f.Name, s); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (r *recovery) salvage(ctx context.Context, name string, s *salvage) error {
	in, err := r.fs.Open(r.join(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // this Open has already replaced it
	}
	if err != nil {
		return err
	}
	defer in.Close()
	size, err := in.Size()
	if err != nil {
		return err
	}
	return s.read(ctx, in, size)
}
