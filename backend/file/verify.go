package file

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// A VerifyReport says what [Verify] read, and what is wrong with it.
type VerifyReport struct {
	Segments, Snapshots int
	Facts               uint64 // those that could be read
	Bytes               uint64 // of segments and snapshots

	// Damage is empty for a sound log. Repair goes on without the facts concerned.
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

// Verify reads every byte of a log, checks each frame and each fact and computes every hash anew. It
// changes nothing, and needs the log for itself, like Open: an *InUseError names the process that
// has it open. What is wrong with the log is in the report; an error means that it could not be read.
func Verify(ctx context.Context, path string) (VerifyReport, error) {
	return verify(ctx, Options{Path: path})
}

func verify(ctx context.Context, opts Options) (report VerifyReport, err error) {
	opts, err = opts.withDefaults()
	if err == nil {
		_, err = opts.fs.Stat(opts.Path)
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
	lock, err := l.opts.fs.Lock(l.path(lockName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
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
			err = v.snapshot(ctx, p, h)
		}
		if err = v.note(p, err); err != nil {
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
				err = l.scan(p, v.facts(ctx))
			} else {
				err = v.active(ctx, p)
			}
			next = max(next, p.last+1)
		}
		if err = v.note(p, err); err != nil {
			return err
		}
	}
	return nil
}

// note counts a file, and takes down damage in it; it returns every other error.
func (v *verifier) note(p *piece, err error) error {
	if p != nil {
		v.report.Bytes += uint64(p.size)
	}
	var corrupt *backend.CorruptError
	if errors.As(err, &corrupt) {
		if corrupt.Path == "" {
			corrupt.Path = v.log.path(p.name)
		}
		v.report.Damage = append(v.report.Damage, corrupt)
		v.report.Seqs = append(v.report.Seqs, v.next)
		return nil
	}
	return err
}

// snapshot verifies a snapshot. One that has another hash than it says is read on, to find where.
func (v *verifier) snapshot(ctx context.Context, p *piece, h header) error {
	err := v.log.checkSnapshot(p, h, v.facts(ctx))
	if errors.Is(err, backend.ErrCorrupt) && v.next == 1 {
		if found := v.log.scan(p, v.facts(ctx)); found != nil {
			return found
		}
	}
	return err
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

// facts returns what checks the facts of each frame.
func (v *verifier) facts(ctx context.Context) func([]backend.Fact, int64) error {
	return func(facts []backend.Fact, offset int64) error {
		for i := range facts {
			if err := v.fact(&facts[i]); err != nil {
				return &backend.CorruptError{Offset: offset, Reason: err.Error()}
			}
		}
		return ctx.Err()
	}
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
