package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/sequencer"
)

// recover finds out what the log holds, and makes it fit to be written to.
func (l *Log) recover(ctx context.Context) error {
	found, err := readLayout(l.opts.fs, l.dir)
	if err != nil {
		return err
	}
	pieces, err := l.survey(found)
	if err != nil {
		return err
	}
	// A snapshot may have its name for the kernel only, and must have it for good before what it was
	// made of is removed.
	if err := l.opts.fs.SyncDir(l.dir); err != nil {
		return err
	}
	if err := l.clean(found, pieces); err != nil {
		return err
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
	if last != nil {
		var sealed *piece
		size := last.size
		if sealed, next, err = l.recoverActive(ctx, last); err != nil {
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

// writable reports whether a piece, the last one, is a segment that facts may still be added to.
func (l *Log) writable(p *piece) bool { return !p.snapshot && !p.thinned }

// survey decides which of the files make up the log, and checks that they have all of it between
// them.
func (l *Log) survey(found layout) ([]*piece, error) {
	snapshot, firsts, err := l.surveySnapshots(found.snapshots, found.segments)
	if err != nil {
		return nil, err
	}
	segments, err := l.surveySegments(firsts)
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
func (l *Log) surveySegments(firsts []uint64) ([]*piece, error) {
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
			p, err = l.repairSegment(first, last)
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
func (l *Log) surveySnapshots(throughs, segments []uint64) (*piece, []uint64, error) {
	for i, through := range slices.Backward(throughs) {
		left := segments
		for len(left) > 0 && left[0] <= through {
			left = left[1:]
		}
		choice := i > 0 || len(left) < len(segments)
		p, h, err := l.openSnapshot(through)
		if err == nil && choice {
			err = l.checkSnapshot(p, h, func([]backend.Fact, int64) error { return nil })
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
			p, err := l.repairSnapshot(through)
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

// clean removes the files that are no part of the log any more, or never were.
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
		if err := l.opts.fs.Remove(l.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
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

// load gives the sequencer what the sealed pieces hold, from their indexes, and returns the pieces,
// repaired if they had to be. An index that turns out to be damaged is made anew, and all begins
// again.
func (l *Log) load(ctx context.Context, pieces []*piece) ([]*piece, error) {
	indexes := make([]*indexFile, len(pieces))
	defer func() {
		for _, x := range indexes {
			if x != nil {
				_ = x.close() // it was only read
			}
		}
	}()
	for i, p := range pieces {
		var err error
		if err = ctx.Err(); err != nil {
			return nil, err
		}
		if indexes[i] = l.goodIndex(p); indexes[i] == nil {
			if pieces[i], indexes[i], err = l.reindex(p); err != nil {
				return nil, err
			}
		}
		l.progress.advance(p.size)
	}
	for {
		l.seq = sequencer.New(lookup{l})
		bad, err := l.loadIndexes(pieces, indexes)
		if err == nil {
			return pieces, nil
		}
		if !errors.Is(err, errNoIndex) {
			return nil, err
		}
		_ = indexes[bad].close()
		if pieces[bad], indexes[bad], err = l.reindex(pieces[bad]); err != nil {
			return nil, err
		}
	}
}

// goodIndex returns the index of a piece, unless it does not fit, or the piece is to be read whole.
func (l *Log) goodIndex(p *piece) *indexFile {
	if l.opts.Repair {
		return nil // to find what there is to repair
	}
	x, err := l.openIndex(p)
	if err != nil {
		return nil
	}
	if p.points, err = x.points(); err != nil || !x.fits(p) {
		_ = x.close() // it was only read
		return nil
	}
	p.index.Store(x.size)
	return x
}

// reindex makes the index of a piece from its facts, after a repair if need be.
func (l *Log) reindex(p *piece) (*piece, *indexFile, error) {
	data, err := l.buildIndex(p)
	if l.opts.Repair && errors.Is(err, backend.ErrCorrupt) {
		if p, err = l.repairPiece(p); err == nil {
			data, err = l.buildIndex(p)
		}
	}
	if err != nil {
		return p, nil, err
	}
	l.report.Read = append(l.report.Read, p.name)
	x, err := memoryIndex(p, data)
	if err == nil {
		p.points, err = x.points()
	}
	if err != nil {
		return p, nil, err
	}
	if err := l.writeIndex(p, data); err != nil {
		l.log.Warn("a segment has no index and will be read whole when the log is opened",
			zap.String("path", l.path(p.name)), zap.Error(err))
	}
	return p, x, nil
}

// loadIndexes loads IDs and keys side by side. An error that is errNoIndex is of the index bad.
func (l *Log) loadIndexes(pieces []*piece, indexes []*indexFile) (bad int, err error) {
	type result struct {
		bad int
		err error
	}
	first, facts := len(pieces), uint64(0)
	for first > 0 && facts < sequencer.Remembered {
		first--
		facts += pieces[first].facts
	}
	keys := 0
	for _, x := range indexes {
		keys = max(keys, x.header.Keys)
	}
	l.seq.Reserve(int(facts), keys)
	ids := make(chan result, 1)
	go func() {
		for i := first; i < len(pieces); i++ {
			if err := indexes[i].ids(l.seq.LoadIDs); err != nil {
				ids <- result{i, err}
				return
			}
		}
		ids <- result{}
	}()
	for i, x := range indexes {
		err = x.keys(l.seq.LoadKeys)
		if err != nil {
			bad = i
			break
		}
		l.seq.LoadTime(x.time)
		l.seq.Skip(pieces[i].last + 1)
	}
	if r := <-ids; r.err != nil {
		return r.bad, r.err
	}
	return bad, err
}
