package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A VerifyReport says what [Verify] read, and what is wrong with it.
type VerifyReport struct {
	Segments, Snapshots int
	Facts               uint64 // those that could be read
	Bytes               uint64 // of segments and snapshots

	// Damage is empty for a sound log: else it is each place in each file. Repair goes on without the
	// facts concerned.
	Damage []*backend.CorruptError

	// Seqs has for each Damage the first seq that could not be read there. [PlanRepair] says which ones are lost.
	Seqs []uint64

	// Torn is what a crash left of a write that was never acknowledged, which Open will cut off; nil
	// if there is none.
	Torn *Cut

	// Foreign is the facts whose ValueHash is not that of their value. They are no damage: other
	// writers hash otherwise, and a hash that is given is kept.
	Foreign []FactHash
}

// A FactHash is a fact and the hash that it would have if this package had made it.
type FactHash struct {
	Seq        uint64
	ID         string
	Have, Want string
}

// Verify reads every byte of a log's segments and snapshots, checks each frame and each fact and computes
// every hash anew. Indexes are not looked at: they are made anew where they are no good. It changes
// nothing, and needs the log for itself, like Open: an *InUseError names the process that
// has it open. What is wrong with the log is in the report; an error means that it could not be read.
func Verify(ctx context.Context, path string) (VerifyReport, error) {
	return verify(ctx, Options{Path: path})
}

func verify(ctx context.Context, opts Options) (report VerifyReport, err error) {
	opts, err = opts.withDefaults()
	var info fs.FileInfo
	if err == nil {
		info, err = opts.fs.Stat(opts.Path)
	}
	if err == nil && !info.IsDir() {
		err = notDirectory(opts.fs, opts.Path)
	}
	v := verifier{log: &Log{opts: opts, dir: filepath.Clean(opts.Path)}}
	if err == nil {
		err = v.run(ctx)
	}
	if err != nil {
		return v.report, fmt.Errorf("file: verify log %s: %w", opts.Path, err)
	}
	return v.report, nil
}

type verifier struct {
	log    *Log
	report VerifyReport
	next   uint64 // the seq after that of the last fact read
}

func (v *verifier) run(ctx context.Context) (err error) {
	l := v.log
	// Where there is no lock, nobody has the log open, and none is left behind.
	if _, err := l.opts.fs.Stat(l.path(lockName)); !errors.Is(err, fs.ErrNotExist) {
		lock, err := lockDir(l.opts.fs, l.dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	found, err := readLayout(l.opts.fs, l.dir)
	if err != nil {
		return err
	}
	next := uint64(1)
	for _, through := range found.snapshots {
		v.next = 1
		p, h, err := l.openSnapshot(through)
		if err == nil {
			v.report.Snapshots++
			next = through + 1
			err = v.check(ctx, p, func() error { return l.checkSnapshot(ctx, p, h, v.facts) })
		} else {
			err = v.damaged(ctx, &piece{name: snapshotName(through), snapshot: true, first: 1, last: through}, err)
		}
		if err != nil {
			return err
		}
	}
	for i, first := range found.segments {
		v.next = first
		last := first - 1
		sealed := i+1 < len(found.segments)
		if sealed {
			last = found.segments[i+1] - 1
		}
		p, err := l.openSegment(first, last)
		if err == nil {
			v.report.Segments++
			if first > next {
				v.report.Damage = append(v.report.Damage, &backend.CorruptError{Path: l.path(p.name),
					Reason: fmt.Sprintf("the log's files before it end at seq %d: those with seqs %d to %d are missing", next-1, next, first-1)})
				v.report.Seqs = append(v.report.Seqs, next)
			}
			if sealed || p.thinned {
				err = v.check(ctx, p, func() error { return l.scan(ctx, p, v.facts) })
			} else {
				err = v.check(ctx, p, func() error { return v.active(ctx, p) })
			}
			next = max(next, p.last+1)
		} else {
			err = v.damaged(ctx, &piece{name: segmentName(first), first: first, last: last}, err)
			next = max(next, last+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check verifies a file. Where that ends at damage, the file is read on behind it.
func (v *verifier) check(ctx context.Context, p *piece, check func() error) error {
	before, last, size := v.report, p.last, p.size
	err := check()
	if !errors.Is(err, backend.ErrCorrupt) {
		v.report.Bytes += uint64(p.size)
		return err
	}
	p.last = last // the active segment's is where the damage is
	v.report.Bytes += uint64(size)
	v.report.Facts, v.report.Foreign = before.Facts, before.Foreign
	return v.damaged(ctx, p, err)
}

// damaged takes down all damage in a file, of which the first that was found is given, and counts what
// can be read; it returns every other error.
func (v *verifier) damaged(ctx context.Context, p *piece, first error) error {
	var found *backend.CorruptError
	if !errors.As(first, &found) {
		return first
	}
	path, next := v.log.path(p.name), v.next
	f, err := v.log.opts.fs.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var all []*backend.CorruptError
	var seqs []uint64
	s := &salvage{name: path, from: f, first: p.first, last: p.last, seq: p.first - 1}
	if p.last < p.first {
		s.last = 0 // not known
	}
	note := func(at int64, seq uint64, reason string) {
		if n := len(all); n == 0 || all[n-1].Offset != at {
			all = append(all, &backend.CorruptError{Path: path, Offset: at, Reason: reason})
			seqs = append(seqs, seq)
		}
	}
	s.keep = func(_ []byte, facts []backend.Fact) error {
		if err := v.facts(facts, s.at); errors.As(err, &found) {
			note(s.at, v.next, found.Reason)
		}
		return nil
	}
	s.skip = func(from, _ int64, reason string) error {
		note(from, s.seq+1, reason)
		return nil
	}
	read := s.fact
	if p.snapshot {
		read = s.block
	}
	if err := s.read(ctx, 0, read); err != nil {
		return err
	}
	errors.As(first, &found)
	same := func(c *backend.CorruptError) bool { return c.Offset == found.Offset || c.Reason == found.Reason }
	if i := slices.IndexFunc(all, same); i >= 0 {
		all[i].Reason = found.Reason
	} else {
		all = append([]*backend.CorruptError{{Path: path, Offset: found.Offset, Reason: found.Reason}}, all...)
		seqs = append([]uint64{next}, seqs...)
	}
	v.report.Damage = append(v.report.Damage, all...)
	v.report.Seqs = append(v.report.Seqs, seqs...)
	return nil
}

// active verifies the segment that was written to last.
func (v *verifier) active(ctx context.Context, p *piece) error {
	f, err := v.log.opts.fs.Open(v.log.path(p.name))
	if err != nil {
		return err
	}
	defer f.Close()
	var bad error
	end, err := v.log.examine(ctx, f, p, func(f *backend.Fact) {
		if bad == nil {
			bad = v.fact(f)
		}
	})
	if end.cut != "" {
		v.report.Torn = &Cut{File: p.name, Offset: p.size, Bytes: end.data - p.size, Reason: end.cut}
	}
	if err == nil && bad != nil {
		err = &backend.CorruptError{Path: v.log.path(p.name), Reason: bad.Error()}
	}
	return err
}

// facts checks the facts of a frame.
func (v *verifier) facts(facts []backend.Fact, offset int64) error {
	for i := range facts {
		if err := v.fact(&facts[i]); err != nil {
			return &backend.CorruptError{Offset: offset, Reason: err.Error()}
		}
	}
	return nil
}

// fact checks a fact, each byte of it.
func (v *verifier) fact(f *backend.Fact) error {
	v.report.Facts++
	v.next = f.Seq
	if err := f.Validate(); err != nil {
		return fmt.Errorf("the fact with seq %d: %w", f.Seq, err)
	}
	want, err := wire.Hash(f.Value)
	if err != nil {
		return fmt.Errorf("the fact with seq %d: %w", f.Seq, err)
	}
	if f.ValueHash != want {
		v.report.Foreign = append(v.report.Foreign, FactHash{f.Seq, f.ID, f.ValueHash, want})
	}
	v.next++
	return nil
}
