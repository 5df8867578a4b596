// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"sort"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
)

// WriteSnapshot implements backend.Backend. It makes one compressed file of whole segments, up to the segment that has the
// seq through, and removes them. It copies the blocks of an earlier snapshot unchanged. Writers, readers and followers go
// on meanwhile; Prune waits.
func (l *Log) WriteSnapshot(ctx context.Context, through uint64) (err error) {
	defer wrap(&err, "write snapshot")
	if err := l.maintain(ctx); err != nil {
		return err
	}
	defer l.maintenance.Unlock()
	defer l.restoreReserve()
	s := l.state.Load()
	if through == 0 {
		through = s.last
	}
	if through > s.sealedThrough() {
		if err := l.withReserve(func() error { return l.rollIfUsed(ctx) }); err != nil {
			return err
		}
	}
	for most := math.MaxInt; ; {
		old := l.through(through)
		if len(old) == 0 || len(old) == 1 && old[0].Snapshot {
			return nil
		}
		least := 1
		if old[0].Snapshot {
			least = 2
		}
		old = old[:min(len(old), max(least, most))]
		err := l.withReserve(func() error { return l.consolidate(ctx, old) })
		switch {
		case err == nil:
			l.drop(old)
			most = math.MaxInt
		case errors.Is(err, backend.ErrFull) && len(old) > least:
			most = len(old) / 2 // the room that they free is used for the others
		default:
			return err
		}
	}
}

// through returns the sealed segments whose first seq is at most seq.
func (l *Log) through(seq uint64) []*segment {
	all := l.state.Load().sealed
	n := sort.Search(len(all), func(i int) bool { return all[i].First > seq })
	return all[:n:n]
}

// consolidate replaces segments by one snapshot.
func (l *Log) consolidate(ctx context.Context, old []*segment) error {
	of := newSnapshot(old[len(old)-1].Last)
	for _, s := range old {
		of.Horizons = format.Join(of.Horizons, s.Horizons)
		of.Nodes += s.Nodes
	}
	w, err := l.dir.replace(of)
	if err != nil {
		return err
	}
	for _, s := range old {
		copyTo := l.copyFrames
		if s.Snapshot {
			copyTo = l.copyBlocks
		}
		if err := copyTo(ctx, &s.File, w); err != nil {
			return errors.Join(err, w.discard())
		}
	}
	_, err = w.finish(func(s *segment) { l.replace(old, s) })
	return err
}

// copyFrames copies the facts of a segment file.
func (l *Log) copyFrames(ctx context.Context, f *format.File, w *replacement) error {
	return l.dir.scan(ctx, f, w.AddNodes, func(body []byte, facts []backend.Fact, _ int64) error {
		return errors.Join(w.Add(body, facts), l.goOn(ctx))
	})
}

// copyBlocks copies the blocks of a snapshot unchanged, and the entries of its index.
func (l *Log) copyBlocks(ctx context.Context, f *format.File, w *replacement) error {
	x, err := l.dir.indexOf(ctx, *f)
	if err != nil {
		return err
	}
	defer x.close()
	if err := w.AddIndex(x.Index); err != nil {
		return err
	}
	r, err := l.dir.open(f, 0, f.Size)
	if err != nil {
		return err
	}
	defer r.Close()
	seqs := make(map[int64]uint64, len(f.Points))
	for _, p := range f.Points {
		seqs[p.Offset] = p.Seq
	}
	for {
		if err := l.goOn(ctx); err != nil {
			return err
		}
		body, err := r.Raw()
		switch {
		case err == nil && format.IsEnd(body):
			return nil
		case err != nil:
			return err
		}
		if r.Offset() == 0 {
			continue
		}
		if format.IsNodes(body) {
			if err := w.CopyNodes(body); err != nil {
				return err
			}
			continue
		}
		first, ok := seqs[r.Offset()]
		if !ok {
			return r.Damage("a block that the index does not know")
		}
		if err := w.CopyBlock(body, first); err != nil {
			return err
		}
	}
}

// drop removes the files of segments that were replaced by a file with another name.
//
//	unlink(segment), unlink(index)      if they come back after a crash, Open removes them
func (l *Log) drop(old []*segment) {
	for _, s := range old {
		for _, name := range []string{s.Name, s.Name + indexExt} {
			if l.here() != nil {
				return
			}
			if err := l.dir.fs.Remove(l.dir.join(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.log.Warn("a file that does not belong to the log any more was not removed", zap.String("path", l.dir.join(name)), zap.Error(err))
			}
		}
	}
}
