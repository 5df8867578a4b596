package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/wire"
)

// A VerifyReport says what [Verify] read, and what is wrong with it.
type VerifyReport struct {
	Segments, Snapshots int
	Facts               uint64 // facts that could be read
	Bytes               uint64 // of segments and snapshots

	// Damage is every damaged place in every file; it is empty for a sound log. A repair goes on without
	// the facts there.
	Damage []*backend.CorruptError

	// Seqs has, for each Damage, the first seq that could not be read there. [PlanRepair] says which facts
	// are lost.
	Seqs []uint64

	// Torn is the rest of a write that was never acknowledged, as a crash leaves it; Open will cut it off.
	// nil: there is none.
	Torn *Cut

	// Foreign is the facts whose ValueHash is not the hash of their value. This is not damage: other writers
	// compute hashes in other ways, and a log keeps the hash that it is given.
	Foreign []FactHash
}

// A FactHash is a fact, its hash, and the hash that this package computes.
type FactHash struct {
	Seq        uint64
	ID         string
	Have, Want string
}

// Verify reads every byte of a log's segments and snapshots, checks each frame and each fact, and computes
// every hash again. It ignores indexes, since Open builds an index that is not valid. It changes nothing.
// Like Open, it needs the log for itself: an *InUseError names the process that has it open. The report
// says what is wrong with the log; an error means that the log could not be read.
func Verify(ctx context.Context, path string) (VerifyReport, error) {
	return verify(ctx, Options{Path: path})
}

func verify(ctx context.Context, opts Options) (report VerifyReport, err error) {
	v := verifier{}
	if opts, err = opts.withDefaults(); err == nil {
		v.directory = newDirectory(&opts)
		err = v.run(ctx)
	}
	if err != nil {
		return v.report, fmt.Errorf("file: verify log %s: %w", opts.Path, err)
	}
	return v.report, nil
}

type verifier struct {
	*directory
	report VerifyReport
	next   uint64 // the seq after the last fact that was read
}

func (v *verifier) run(ctx context.Context) (err error) {
	if info, err := v.fs.Stat(v.path); err != nil {
		return err
	} else if !info.IsDir() {
		return notDirectory(v.fs, v.path)
	}
	// If there is no lock file, nobody has the log open, and Verify leaves none behind.
	if _, err := v.fs.Stat(v.join(lockName)); !errors.Is(err, fs.ErrNotExist) {
		lock, err := v.lock()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	found, err := v.list()
	if err != nil {
		return err
	}
	next := uint64(1)
	for _, through := range found.snapshots {
		s, hash, err := v.openSnapshot(through)
		if err == nil {
			v.report.Snapshots++
			next = through + 1
		}
		err = v.check(ctx, newSnapshot(through), s, err, func() error { return v.checkSnapshot(ctx, &s.File, hash, v.facts) })
		if err != nil {
			return err
		}
	}
	for i, first := range found.segments {
		last := first - 1
		sealed := i+1 < len(found.segments)
		if sealed {
			last = found.segments[i+1] - 1
		}
		s, err := v.openSegment(first, last)
		if err == nil {
			v.report.Segments++
			if first > next {
				v.damage(&backend.CorruptError{Path: v.join(s.Name), Reason: missingFiles(next, first)}, next)
			}
		}
		err = v.check(ctx, newSegment(first, last), s, err, func() error {
			if sealed || s.Gaps {
				return v.scan(ctx, &s.File, v.facts)
			}
			return v.active(ctx, &s.File)
		})
		if err != nil {
			return err
		}
		if s != nil {
			last = s.Last
		}
		next = max(next, last+1)
	}
	return nil
}

// damage reports damage, and the first seq that could not be read there.
func (v *verifier) damage(c *backend.CorruptError, seq uint64) {
	v.report.Damage = append(v.report.Damage, c)
	v.report.Seqs = append(v.report.Seqs, seq)
}

// check verifies a file, or reports why it could not be opened. Behind damage, it reads on.
func (v *verifier) check(ctx context.Context, f format.File, s *segment, err error, check func() error) error {
	v.next = f.First
	before, size := v.report, int64(0)
	if err == nil {
		f, size = s.File, s.Size
		if err = check(); err == nil {
			size = s.Size // without what follows the last whole frame
		}
	}
	v.report.Bytes += uint64(size)
	var found *backend.CorruptError
	if !errors.As(err, &found) {
		return err
	}
	v.report.Facts, v.report.Foreign = before.Facts, before.Foreign
	return v.damaged(ctx, f, found)
}

// damaged reports all damage in a file, of which the first place is given, and counts the facts that can be
// read.
func (v *verifier) damaged(ctx context.Context, f format.File, first *backend.CorruptError) error {
	path, next := v.join(f.Name), v.next
	in, err := v.fs.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	var all []*backend.CorruptError
	var seqs []uint64
	s := newSalvage(f)
	if f.Last < f.First {
		s.of.Last = 0 // not known
	}
	note := func(at int64, seq uint64, reason string) {
		if n := len(all); n == 0 || all[n-1].Offset != at {
			all = append(all, &backend.CorruptError{Path: path, Offset: at, Reason: reason})
			seqs = append(seqs, seq)
		}
	}
	s.keep = func(_ []byte, facts []backend.Fact) error {
		if found, ok := errors.AsType[*backend.CorruptError](v.facts(facts, s.at)); ok {
			note(s.at, v.next, found.Reason)
		}
		return nil
	}
	s.skip = func(from, _ int64, reason string) error {
		note(from, s.seq+1, reason)
		return nil
	}
	if err := s.read(ctx, in); err != nil {
		return err
	}
	same := func(c *backend.CorruptError) bool { return c.Offset == first.Offset || c.Reason == first.Reason }
	if i := slices.IndexFunc(all, same); i >= 0 {
		all[i].Reason = first.Reason
	} else {
		v.damage(&backend.CorruptError{Path: path, Offset: first.Offset, Reason: first.Reason}, next)
	}
	for i := range all {
		v.damage(all[i], seqs[i])
	}
	return nil
}

// active verifies the segment that was written last.
func (v *verifier) active(ctx context.Context, f *format.File) error {
	in, err := v.fs.Open(v.join(f.Name))
	if err != nil {
		return err
	}
	defer in.Close()
	var bad error
	end, err := v.examine(ctx, in, f, func(f *backend.Fact) {
		if bad == nil {
			bad = v.fact(f)
		}
	})
	if end.cut != "" {
		v.report.Torn = &Cut{File: f.Name, Offset: f.Size, Bytes: end.data - f.Size, Reason: end.cut}
	}
	if err == nil && bad != nil {
		err = &backend.CorruptError{Path: v.join(f.Name), Reason: bad.Error()}
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
