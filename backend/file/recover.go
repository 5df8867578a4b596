package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/igniter-store/igniter/backend"
)

// recover finds out what the log holds, and makes it fit to be written to.
func (l *Log) recover(ctx context.Context) error {
	found, err := readLayout(l.opts.fs, l.dir)
	if err != nil {
		return err
	}
	pieces, err := l.survey(ctx, found)
	if err != nil {
		return err
	}
	// A snapshot may have its name for the kernel only, and must have it for good before what it was
	// made of is removed.
	if err := l.opts.fs.SyncDir(l.dir); err != nil {
		return err
	}
	all := pieces
	settle := func() error {
		if err := l.probe(); err != nil {
			return err
		}
		if err := l.clean(found, all); err != nil {
			return err
		}
		l.writeRemade()
		return nil
	}
	next := uint64(1)
	var last *piece
	l.progress.begin(pieces)
	if n := len(pieces); n > 0 {
		next = pieces[n-1].last + 1
		if l.writable(pieces[n-1]) {
			pieces, last = pieces[:n-1], pieces[n-1]
		}
	}
	if pieces, err = l.load(ctx, pieces); err != nil {
		return err
	}
	if last == nil {
		if err := settle(); err != nil {
			return err
		}
	} else {
		var sealed *piece
		size := last.size
		if sealed, next, err = l.recoverActive(ctx, last, settle); err != nil {
			return err
		}
		l.progress.advance(size)
		if sealed != nil {
			pieces = append(pieces, sealed)
		}
		if sealed != nil && sealed.thinned {
			// It was repaired, and is not what was read.
			if pieces, err = l.load(ctx, pieces); err != nil {
				return err
			}
			l.writeRemade()
		}
	}
	// What was there may have been there for the kernel only.
	if err := l.opts.fs.SyncDir(l.dir); err != nil {
		return err
	}
	if l.active == nil {
		if n := len(pieces); n > 0 && pieces[n-1].first == next {
			pieces = pieces[:n-1] // it has nothing, and the new one takes its name
		}
		if l.active, err = l.begin(next); err != nil {
			return err
		}
	}
	l.pieces = append(pieces, l.active.piece)
	l.last = next - 1
	l.durable = l.last
	for _, p := range l.pieces {
		l.report.Facts += p.facts
		if p.index.Load() == 0 && p != l.active.piece {
			l.nudge()
		}
	}
	l.report.LastSeq = l.last
	l.report.log(l.log, l.dir)
	return nil
}

// probe fails if no files can be made in the directory: else the first full segment would tell.
//
//	open(LOCK.tmp, O_CREAT), unlink(LOCK.tmp)
func (l *Log) probe() error {
	f, err := l.opts.fs.Create(l.path(probeName))
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), l.opts.fs.Remove(l.path(probeName)))
}

// writable reports whether a piece, the last one, is a segment that facts may still be added to.
func (l *Log) writable(p *piece) bool { return !p.snapshot && !p.thinned }

// survey decides which of the files make up the log, and checks that they have all of it between
// them.
func (l *Log) survey(ctx context.Context, found layout) ([]*piece, error) {
	snapshot, firsts, err := l.surveySnapshots(ctx, found.snapshots, found.segments)
	if err != nil {
		return nil, err
	}
	segments, err := l.surveySegments(ctx, firsts)
	if err != nil {
		return nil, err
	}
	var pieces []*piece
	next := uint64(1)
	if snapshot != nil {
		pieces, next = append(pieces, snapshot), snapshot.last+1
	}
	for i, p := range segments {
		if p.first != next {
			if p, err = l.bridge(next, p); err != nil {
				return nil, err
			}
			pieces = append(pieces, p)
		}
		pieces, next = append(pieces, segments[i]), segments[i].last+1
	}
	return pieces, nil
}

// surveySegments opens all segments.
func (l *Log) surveySegments(ctx context.Context, firsts []uint64) ([]*piece, error) {
	var segments []*piece
	for i, first := range firsts {
		last := first - 1 // not known yet
		if i+1 < len(firsts) {
			last = firsts[i+1] - 1
		}
		p, err := l.openSegment(first, last)
		if l.opts.Repair && errors.Is(err, backend.ErrCorrupt) {
			if i+1 == len(firsts) {
				last = 0
			}
			p, err = l.repairSegment(ctx, first, last)
		}
		if err != nil {
			return nil, err
		}
		segments = append(segments, p)
	}
	return segments, nil
}

// surveySnapshots chooses the snapshot to use, if there is one, and returns the segments that it does
// not cover. Where there is no choice, the snapshot is trusted as the segments are: damage in it shows
// when it is read. Where there is, because a crash left both the snapshot and what it was made from,
// it is read whole first.
func (l *Log) surveySnapshots(ctx context.Context, throughs, segments []uint64) (*piece, []uint64, error) {
	for i, through := range slices.Backward(throughs) {
		left := segments
		for len(left) > 0 && left[0] <= through {
			left = left[1:]
		}
		choice := i > 0 || len(left) < len(segments)
		p, h, err := l.openSnapshot(through)
		if err == nil && choice {
			err = l.checkSnapshot(ctx, p, h, func([]backend.Fact, int64) error { return nil })
		}
		if err == nil {
			return p, left, nil
		}
		if !errors.Is(err, backend.ErrCorrupt) {
			return nil, nil, err
		}
		if !choice || i == 0 && segments[0] > 1 {
			if !l.opts.Repair {
				return nil, nil, err
			}
			p, err := l.repairSnapshot(ctx, through)
			return p, left, err
		}
		l.ignored = append(l.ignored, ignored{snapshotName(through), err})
	}
	return nil, segments, nil
}

// bridge answers a gap in front of a piece, or a piece that holds what others do.
func (l *Log) bridge(next uint64, p *piece) (*piece, error) {
	reason := fmt.Sprintf("the log's files before it end at seq %d: those with seqs %d to %d are missing", next-1, next, p.first-1)
	if p.first < next {
		reason = fmt.Sprintf("the log's files before it hold its facts already, up to seq %d", next-1)
	}
	if p.first > next && l.opts.Repair {
		return l.fillGap(next, p.first-1)
	}
	return nil, &backend.CorruptError{Path: l.path(p.name), Reason: reason}
}

// clean removes the files that are no part of the log any more, or never were. All that is a part of it
// has been looked at by then: an Open that fails for damage changes nothing.
func (l *Log) clean(found layout, pieces []*piece) error {
	parts := map[string]bool{}
	for _, p := range pieces {
		parts[p.name] = true
	}
	for _, x := range l.ignored {
		parts[x.name] = true // quarantine takes it
	}
	gone := found.leftovers
	for _, first := range found.segments {
		gone = append(gone, segmentName(first))
	}
	for _, through := range found.snapshots {
		gone = append(gone, snapshotName(through))
	}
	for _, name := range gone {
		if parts[name] {
			continue
		}
		err := l.opts.fs.Remove(l.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a repair used its name
		}
		if err != nil {
			return err
		}
		l.report.Removed = append(l.report.Removed, name)
	}
	for _, x := range l.ignored {
		if err := l.setAside(x.name, x.err); err != nil {
			return err
		}
	}
	for _, name := range found.indexes {
		if !parts[name[:len(name)-len(indexExt)]] {
			if err := l.opts.fs.Remove(l.path(name)); err != nil {
				return err
			}
		}
	}
	return nil
}
