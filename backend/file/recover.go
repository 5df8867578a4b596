// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/sequencer"
)

// A recovery examines the files of a directory, and makes the log ready for writes. It ends with Open. The Log takes over
// the fields from sealed on.
type recovery struct {
	*directory
	opts     *Options
	lookup   func(seq uint64) (backend.Fact, bool, error) // for the sequencer
	progress progress
	identity identity
	ignored  []ignored        // files that the log does not use
	found    listing          // the files of the directory at the beginning
	latest   *backend.Horizon // the moment of the log's last fact, once losing has determined it
	built    []builtIndex

	sealed  []*segment
	active  *active
	current format.File // the active segment
	seq     *sequencer.Sequencer
	report  RecoveryReport
}

// An ignored file is a file that the log does not use, with the reason.
type ignored struct {
	name string
	err  error
}

// run recovers the log. It changes nothing until it has examined all files that stay, and knows that damage may be
// repaired.
func (r *recovery) run(ctx context.Context) error {
	found, err := r.list()
	if err != nil {
		return err
	}
	if found.foreign != "" {
		r.log.Warn("the directory of the log holds something else, which is passed over: give the log a directory of its own",
			zap.String("path", r.path), zap.String("name", found.foreign))
	}
	r.found = found
	if info, err := r.fs.Stat(r.join(reserveName)); err == nil && info.Mode().IsRegular() {
		r.reserve.size = info.Size()
	}
	r.identify(found)
	all, err := r.survey(ctx, found)
	if err != nil {
		return err
	}
	// A snapshot's name may not be durable yet. It must be durable before the segments that the snapshot replaces are
	// removed.
	if err := r.sync(r.path); err != nil {
		return err
	}
	r.progress = progress{tell: r.opts.Progress}
	r.progress.begin(all)
	next, last := uint64(1), (*segment)(nil)
	r.sealed = all
	if n := len(all); n > 0 {
		next = all[n-1].Last + 1
		if s := all[n-1]; !s.Snapshot && !s.Gaps {
			r.sealed, last = all[:n-1:n-1], s
		}
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	if last == nil {
		err = r.settle(found, all)
	} else {
		size := last.Size
		next, err = r.recoverActive(ctx, last, func() error { return r.settle(found, all) })
		r.progress.advance(size)
	}
	if err != nil {
		return err
	}
	// Existing names may not be durable yet.
	if err := r.sync(r.path); err != nil {
		return err
	}
	if r.active == nil {
		if n := len(r.sealed); n > 0 && r.sealed[n-1].First == next {
			r.sealed = r.sealed[:n-1] // it has no facts, and the new one gets its name
		}
		r.active, r.current, err = r.begin(next, r.opts)
		if isFull(err) && r.reserve.lend() {
			r.active, r.current, err = r.begin(next, r.opts)
		}
		if err != nil {
			return err
		}
	}
	r.report.LastSeq, r.report.Facts = next-1, r.current.Facts
	for _, s := range r.sealed {
		r.report.Facts += s.Facts
	}
	return nil
}

// settle removes files that do not belong to the log, and writes the indexes that were built. all are the segments of the
// log; they must have been examined.
func (r *recovery) settle(found listing, all []*segment) error {
	if err := r.probe(); err != nil {
		return err
	}
	if err := r.clean(found, all); err != nil {
		return err
	}
	r.writeBuilt()
	return nil
}

// survey decides which files belong to the log, and checks that they cover all its seqs.
func (r *recovery) survey(ctx context.Context, found listing) ([]*segment, error) {
	all, firsts, err := r.surveySnapshots(ctx, found.snapshots, found.segments)
	if err != nil {
		return nil, err
	}
	next := uint64(1)
	if len(all) > 0 {
		next = all[0].Last + 1
	}
	var segments []*segment
	for i, first := range firsts {
		sealed := i+1 < len(firsts)
		last := first - 1 // not known yet
		if sealed {
			last = firsts[i+1] - 1
		}
		s, err := r.openSegment(first, last)
		if r.opts.Repair && errors.Is(err, backend.ErrCorrupt) {
			if !sealed {
				last = 0
			}
			s, err = r.repair(ctx, newSegment(first, last))
		}
		if err != nil {
			return nil, err
		}
		segments = append(segments, s)
	}
	for _, s := range segments {
		if s.First != next {
			gap, err := r.bridge(ctx, next, s)
			if err != nil {
				return nil, err
			}
			all = append(all, gap)
		}
		all, next = append(all, s), s.Last+1
	}
	return all, nil
}

// surveySnapshots chooses the snapshot to use, if there is one, and returns it and the segments that it does not cover. A
// snapshot without an alternative is trusted like a segment: damage shows when it is read. If a crash left both a snapshot
// and the files from which it was made, the whole snapshot is read before it is used.
func (r *recovery) surveySnapshots(ctx context.Context, throughs, segments []uint64) (all []*segment, left []uint64, err error) {
	for i, through := range slices.Backward(throughs) {
		left := segments
		for len(left) > 0 && left[0] <= through {
			left = left[1:]
		}
		choice := i > 0 || len(left) < len(segments)
		s, hash, err := r.openSnapshot(through)
		if err == nil && choice {
			err = r.checkSnapshot(ctx, &s.File, hash)
		}
		if err == nil {
			return []*segment{s}, left, nil
		}
		if !errors.Is(err, backend.ErrCorrupt) {
			return nil, nil, err
		}
		if !choice || i == 0 && segments[0] > 1 {
			if !r.opts.Repair {
				return nil, nil, err
			}
			s, err := r.repair(ctx, newSnapshot(through))
			return []*segment{s}, left, err
		}
		r.ignored = append(r.ignored, ignored{snapshotName(through), err})
	}
	return nil, segments, nil
}

// bridge handles a gap before a segment, and a segment that holds facts of the files before it.
func (r *recovery) bridge(ctx context.Context, next uint64, s *segment) (*segment, error) {
	reason := missingFiles(next, s.First)
	if s.First < next {
		reason = fmt.Sprintf("the files before it already hold facts up to seq %d", next-1)
	}
	if s.First > next && r.opts.Repair {
		return r.fillGap(ctx, next, s.First-1)
	}
	return nil, &backend.CorruptError{Path: r.join(s.Name), Reason: reason}
}

// missingFiles returns the reason that files are missing: the previous file ends before next, and the following one begins
// at first.
func missingFiles(next, first uint64) string {
	return fmt.Sprintf("the files before it end at seq %d: the files with seqs %d to %d are missing", next-1, next, first-1)
}

// clean removes files that do not belong to the log, and sets aside the ignored ones.
func (r *recovery) clean(found listing, all []*segment) error {
	keep := map[string]bool{}
	for _, s := range all {
		keep[s.Name] = true
	}
	for _, x := range r.ignored {
		keep[x.name] = true // it is moved to the quarantine
	}
	gone := found.leftovers
	for _, first := range found.segments {
		gone = append(gone, segmentName(first))
	}
	for _, through := range found.snapshots {
		gone = append(gone, snapshotName(through))
	}
	for _, name := range gone {
		if keep[name] {
			continue
		}
		err := r.fs.Remove(r.join(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a repair has reused its name
		}
		if err != nil {
			return err
		}
		r.report.Removed = append(r.report.Removed, name)
	}
	for _, x := range r.ignored {
		if err := r.setAside(x.name, x.err); err != nil {
			return err
		}
	}
	for _, name := range found.indexes {
		if !keep[name[:len(name)-len(indexExt)]] {
			if err := r.fs.Remove(r.join(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// A progress calls Options.Progress.
type progress struct {
	tell        func(done, total int64)
	done, total int64
}

// begin sets the total.
func (p *progress) begin(segments []*segment) {
	for _, s := range segments {
		p.total += s.Size
	}
	p.tell(0, p.total)
}

// advance reports n more bytes as processed. Files that are read again after a repair do not count.
func (p *progress) advance(n int64) {
	p.done = min(p.done+n, p.total)
	p.tell(p.done, p.total)
}
