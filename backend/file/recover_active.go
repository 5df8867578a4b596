// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/format"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// recoverActive reads the last segment, cuts off writes that were never acknowledged, and makes the rest durable. The
// segment becomes the active one again. If it was written under another [Sync], names another log, or was written before
// the machine's latest start, it is sealed instead. recoverActive returns the seq of the next fact. It calls settle before
// it changes anything: when it knows that the segment is good, or just before it repairs the segment.
//
//	pwrite(quarantine/…), fdatasync, fsync(quarantine)   if something is cut off
//	ftruncate(segment)                                   if something is cut off
//	pwrite(segment)                                      the frames that may not be durable
//	fdatasync(segment)
func (r *recovery) recoverActive(ctx context.Context, s *segment, settle func() error) (next uint64, err error) {
	f, err := r.fs.Edit(r.join(s.Name))
	if err != nil {
		return 0, err
	}
	closed := false
	defer func() {
		if r.active == nil && !closed {
			err = errors.Join(err, f.Close())
		}
	}()
	r.report.Read = append(r.report.Read, s.Name)
	end, err := r.examine(ctx, f, &s.File, r.seq.Load)
	damaged := r.opts.Repair && errors.Is(err, backend.ErrCorrupt)
	if err != nil && !damaged {
		return 0, err
	}
	if err := settle(); err != nil {
		return 0, err
	}
	if damaged {
		closed = true // its replacement gets its name, which not every system allows while it is open
		if err := f.Close(); err != nil {
			return 0, err
		}
		if s, err = r.repair(ctx, newSegment(s.First, 0)); err != nil {
			return 0, err
		}
		r.sealed = append(r.sealed, s)
		if err := r.load(ctx); err != nil { // the repaired segment differs from the one that was loaded
			return 0, err
		}
		r.writeBuilt()
		return s.Last + 1, nil
	}
	if end.cut != "" {
		if err := r.quarantine(f, s.Name, s.Size, end.data, end.cut); err != nil {
			return 0, err
		}
	}
	// Without a marker that the log was closed, acknowledged facts at its end may be lost, unless the same kernel still
	// runs.
	if end.lost || s.Sync != string(SyncAlways) && !end.closed && (s.boot == "" || s.boot != r.boot) {
		r.diverge(s.Last)
	}
	a := &active{name: s.Name, file: f, end: s.Size, durable: s.Size, markers: s.Sync != string(SyncAlways)}
	a.ahead.Store(max(s.Size, end.data, end.size))
	goesOn := s.Sync == string(r.opts.Sync) && s.id.Log == r.id.Log && s.boot == r.bootOf(r.opts.Sync)
	long := end.size > s.Size+2*maxAhead // more than the flusher ever writes ahead; the reserve would become as large
	if end.cut != "" || a.markers || !goesOn || long {
		if err := a.cut(); err != nil {
			return 0, fmt.Errorf("cut segment %s: %w", s.Name, err)
		}
	}
	if s.boot == "" || s.boot == r.boot {
		a.durable = end.durable
	}
	if err := r.makeDurable(a); err != nil {
		return 0, fmt.Errorf("sync segment %s: %w", s.Name, err)
	}
	switch {
	case goesOn:
		r.active, r.current = a, s.File
	case s.Facts > 0:
		r.sealed = append(r.sealed, s)
	}
	return s.Last + 1, nil
}

// makeDurable makes a segment durable. If a sync has failed since the machine was started, the kernel may have facts only
// in memory, and treat them as clean. So the frames that may not be durable are overwritten with the bytes that were read;
// a sector that is durable does not change.
func (r *recovery) makeDurable(a *active) error {
	again := func() error { return a.rewrite(a.durable, a.end) }
	err := again()
	if isFull(err) && r.reserve.lend() {
		err = again()
	}
	if err == nil {
		if err = a.file.Sync(); err != nil {
			err = syncAgain(a.file, err, again)
		}
	}
	if err == nil {
		a.durable = a.end
	}
	return err
}

// An ending describes the bytes of a segment after its last whole frame.
type ending struct {
	size int64  // of the file
	data int64  // after this there are only zeros
	cut  string // why the rest must be cut off; "" if there are only zeros

	lost   bool // the part that must be cut off was acknowledged, but not durable
	closed bool // the log was closed after the last fact, so that all facts are durable

	durable int64 // facts before it are durable
}

// examine reads the facts of the last segment, calls do with each, and completes s.
func (d *directory) examine(ctx context.Context, f vfs.File, s *format.File, do func(f *backend.Fact)) (ending, error) {
	size, err := f.Size()
	if err != nil {
		return ending{}, err
	}
	r := format.NewReader(f, d.join(s.Name), false, 0, size)
	s.Size, s.Facts, s.Largest = 0, 0, 0
	closed := int64(-1) // the offset of the last frame if it is the marker of a closed log
	durable := s.Header
	var facts []backend.Fact
	for {
		if err := ctx.Err(); err != nil {
			return ending{}, err
		}
		body, err := r.Raw()
		if err == io.EOF || errors.Is(err, backend.ErrCorrupt) {
			end, err := d.ending(ctx, f, s, size, err)
			if closed >= 0 && end.cut == "" && err == nil {
				end.closed, s.Size, durable = true, closed, closed
			}
			end.durable = durable
			return end, err
		}
		if err != nil {
			return ending{}, err
		}
		switch {
		case r.Offset() == 0: // the header
		case format.IsMarker(body):
			n, ok := format.ParseMarker(body)
			if !ok || n > s.Last {
				return ending{}, r.Damage(fmt.Sprintf("a marker %s after the fact with seq %d", body, s.Last))
			}
			durable = max(durable, s.Start(n))
			if closed = -1; format.IsClosed(body) {
				closed = r.Offset()
			}
		default:
			if facts, err = r.Parse(facts[:0], body); err != nil {
				return ending{}, err
			}
			for i := range facts {
				if facts[i].Seq != s.Last+1 {
					return ending{}, r.Damage(fmt.Sprintf("a fact with seq %d after %d", facts[i].Seq, s.Last))
				}
				s.Last++
				do(&facts[i])
			}
			s.Mark(facts[0].Seq, r.Offset())
			s.Hold(len(body))
			s.Facts += uint64(len(facts))
			closed = -1
			if s.Sync == string(SyncAlways) {
				durable = r.Offset()
			}
		}
		s.Size = r.End()
	}
}

// ending examines the bytes after the last whole frame, which ends at s.Size. bad is the error of the next frame.
func (d *directory) ending(ctx context.Context, f vfs.File, s *format.File, size int64, bad error) (ending, error) {
	e := ending{size: size}
	var err error
	if e.data, err = format.DataEnd(ctx, f, s.Size, size); err != nil || e.data == s.Size {
		return e, err
	}
	reason := "it ends inside a frame"
	var corrupt *backend.CorruptError
	if errors.As(bad, &corrupt) {
		reason = corrupt.Reason
	}
	damage := func(text string, args ...any) error {
		return &backend.CorruptError{Path: d.join(s.Name), Offset: s.Size, Reason: reason + fmt.Sprintf(text, args...)}
	}
	search := format.NewSearch(f, s.Size, size, format.LogBodies)
	at, body, err := search.Next(ctx, s.Size+1, e.data)
	if err != nil {
		return e, err
	}
	if at < 0 {
		e.cut = reason + ", and no whole frame follows: a write in flight that was never acknowledged"
		return e, nil
	}
	if s.Sync == string(SyncAlways) {
		return e, damage(", and a whole frame follows at byte %d, so this was not a write in flight", at)
	}
	for at >= 0 {
		if through, ok := format.ParseMarker(body); ok && through > s.Last {
			return e, damage(", and a marker at byte %d says that facts through seq %d were durable", at, through)
		}
		if at, body, err = search.Next(ctx, at+int64(len(body))+wire.FrameOverhead, e.data); err != nil {
			return e, err
		}
	}
	e.cut, e.lost = reason+", in the part that was not synced yet", true
	return e, nil
}
