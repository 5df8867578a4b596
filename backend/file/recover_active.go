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

// recoverActive reads the segment that was written last, cuts off what was never acknowledged, and makes the rest durable.
// It makes the segment the active one again, or seals it if it was written under another [Sync], names another log, or was
// written before the machine was started last. It returns the seq of the next fact. It calls settle before it changes
// anything, once the segment is known to be good, or is about to be repaired.
//
//	pwrite(quarantine/…), fdatasync, fsync(quarantine)   if something is cut off
//	ftruncate(segment)                                   if something is cut off
//	pwrite(segment)                                      what may not be durable, again
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
		closed = true // what replaces it gets its name, which not every system gives to another file while it is open
		if err := f.Close(); err != nil {
			return 0, err
		}
		if s, err = r.repair(ctx, newSegment(s.First, 0)); err != nil {
			return 0, err
		}
		r.sealed = append(r.sealed, s)
		if err := r.load(ctx); err != nil { // the repaired segment is not what was read
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
	// Without a mark that it was closed, facts at its end may be lost that were acknowledged, unless the same kernel
	// still runs, which had them.
	if end.lost || s.Sync != string(SyncAlways) && !end.closed && (s.boot == "" || s.boot != r.boot) {
		r.diverge(s.Last)
	}
	a := &active{name: s.Name, file: f, end: s.Size, durable: s.Size, markers: s.Sync != string(SyncAlways)}
	a.ahead.Store(max(s.Size, end.data, end.size))
	goesOn := s.Sync == string(r.opts.Sync) && s.id.Log == r.id.Log && s.boot == r.bootOf(r.opts.Sync)
	long := end.size > s.Size+2*maxAhead // nobody writes so much ahead, and the reserve would be made as large
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

// makeDurable makes a segment durable. If a sync failed since the machine was started, the kernel may have facts in memory only
// and take them for clean. So what may not be durable is written again, as it was read: a sector that held it holds it afterwards.
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

// An ending is how a segment ends after its last whole frame.
type ending struct {
	size int64  // of the file
	data int64  // after this there are only zeros
	cut  string // why the rest must be cut off; "" if there are only zeros

	lost   bool // what must be cut off was acknowledged, and not durable
	closed bool // the log was closed after the last fact, and all facts are durable

	durable int64 // facts before it are durable
}

// examine reads the facts of the last segment, passes them to do, and completes s.
func (d *directory) examine(ctx context.Context, f vfs.File, s *format.File, do func(f *backend.Fact)) (ending, error) {
	size, err := f.Size()
	if err != nil {
		return ending{}, err
	}
	r := format.NewReader(f, d.join(s.Name), false, 0, size)
	s.Size, s.Facts, s.Largest = 0, 0, 0
	closed := int64(-1) // where the last frame begins if it says that the log was closed
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

// ending judges what follows the last whole frame, which ends at s.Size. bad says what is wrong with the
// next one.
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
