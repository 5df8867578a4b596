package file

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file/internal/vfs"
	"github.com/igniter-store/igniter/wire"
)

// recoverActive reads the segment that was last written to, cuts off what was never acknowledged,
// makes the rest durable, and makes it the active segment again, or seals it where it was written
// under another [Sync]. It returns the seq of the next fact. settle is called before anything is
// changed, once the segment is known to be as it should, or to be repaired.
//
//	pwrite(quarantine/…), fdatasync, fsync(quarantine)   if something is cut off
//	ftruncate(segment)                                   the same
//	fdatasync(segment)
func (l *Log) recoverActive(ctx context.Context, p *piece, settle func() error) (sealed *piece, next uint64, err error) {
	f, err := l.opts.fs.Edit(l.path(p.name))
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if l.active == nil {
			err = errors.Join(err, f.Close())
		}
	}()
	l.report.Read = append(l.report.Read, p.name)
	end, err := l.examine(ctx, f, p, l.seq.Load)
	damaged := l.opts.Repair && errors.Is(err, backend.ErrCorrupt)
	if err != nil && !damaged {
		return nil, 0, err
	}
	if err := settle(); err != nil {
		return nil, 0, err
	}
	if damaged {
		if sealed, err = l.repairActive(ctx, p); err != nil {
			return nil, 0, err
		}
		return sealed, sealed.last + 1, nil
	}
	if end.cut != "" {
		if err := l.quarantine(f, p.name, p.size, end.data, end.cut); err != nil {
			return nil, 0, err
		}
	}
	next = p.last + 1
	a := &active{log: l, piece: p, file: f, end: p.size, markers: p.sync != SyncAlways}
	a.ahead.Store(max(p.size, end.data, end.size))
	if end.cut != "" || a.markers || p.sync != l.opts.Sync {
		if err := a.cut(); err != nil {
			return nil, 0, fmt.Errorf("cut segment %s: %w", p.name, err)
		}
	}
	if err := f.Sync(); err != nil {
		return nil, 0, fmt.Errorf("sync segment %s: %w", p.name, err)
	}
	switch {
	case p.sync == l.opts.Sync:
		l.active = a
	case p.facts == 0:
		// A new one takes its place, and its name.
		l.active, err = l.begin(next)
		err = errors.Join(err, f.Close())
	default:
		sealed = p
	}
	return sealed, next, err
}

// An ending is how a segment ends after its last whole frame.
type ending struct {
	size int64  // of the file
	data int64  // after this there are only zeros
	cut  string // why what is left must be cut off; "": nothing is left but zeros
}

// examine reads the facts of the last segment, gives them to do, and completes p.
func (l *Log) examine(ctx context.Context, f vfs.File, p *piece, do func(f *backend.Fact)) (ending, error) {
	size, err := f.Size()
	if err != nil {
		return ending{}, err
	}
	r := &frameReader{path: l.path(p.name), file: f, to: size, r: wire.NewReader(sectionOf(f, 0, size), wire.MaxMaxFrame)}
	p.size, p.facts = 0, 0
	var facts []backend.Fact
	for {
		if err := ctx.Err(); err != nil {
			return ending{}, err
		}
		body, err := r.raw()
		if err == io.EOF || errors.Is(err, backend.ErrCorrupt) {
			return l.ending(ctx, f, p, size, err)
		}
		if err != nil {
			return ending{}, err
		}
		switch {
		case r.offset == 0: // the header
		case isMarker(body):
			if n, ok := parseMarker(body); !ok || n > p.last {
				return ending{}, r.damage(fmt.Sprintf("a marker %s after the fact with seq %d", body, p.last))
			}
		default:
			if facts, err = r.parse(facts[:0], body); err != nil {
				return ending{}, err
			}
			for i := range facts {
				if facts[i].Seq != p.last+1 {
					return ending{}, r.damage(fmt.Sprintf("a fact with seq %d after %d", facts[i].Seq, p.last))
				}
				p.last++
				do(&facts[i])
			}
			p.points = mark(p.points, facts[0].Seq, r.offset, pointEvery)
			p.facts += uint64(len(facts))
		}
		p.size = r.base + r.r.Offset()
	}
}

// ending judges what follows the last whole frame, which ends at p.size. bad says what is wrong with
// the next one.
func (l *Log) ending(ctx context.Context, f vfs.File, p *piece, size int64, bad error) (ending, error) {
	e := ending{size: size}
	var err error
	if e.data, err = dataEnd(f, p.size, size); err != nil || e.data == p.size {
		return e, err
	}
	reason := "it ends inside a frame"
	var corrupt *backend.CorruptError
	if errors.As(bad, &corrupt) {
		reason = corrupt.Reason
	}
	frames := newSearch(f, p.size, size)
	at, body, err := frames.next(ctx, p.size+1, e.data)
	if err != nil {
		return e, err
	}
	if at < 0 {
		e.cut = reason + ", and no whole frame follows: a write that was under way, and never acknowledged"
		return e, nil
	}
	if p.sync == SyncAlways {
		return e, &backend.CorruptError{Path: l.path(p.name), Offset: p.size, Reason: fmt.Sprintf(
			"%s, and a whole frame follows at byte %d, so that this was no write under way", reason, at)}
	}
	for at >= 0 {
		if through, ok := parseMarker(body); ok && through > p.last {
			return e, &backend.CorruptError{Path: l.path(p.name), Offset: p.size, Reason: fmt.Sprintf(
				"%s, and facts through seq %d were durable, as is noted at byte %d", reason, through, at)}
		}
		if at, body, err = frames.next(ctx, at+int64(len(body))+wire.FrameOverhead, e.data); err != nil {
			return e, err
		}
	}
	e.cut = reason + ", in the part that was not synced yet"
	return e, nil
}

// dataEnd returns the offset after the last byte of f, between two offsets, that is not zero; from
// if there is none.
func dataEnd(f io.ReaderAt, from, to int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for to > from {
		b := buf[:min(int64(len(buf)), to-from)]
		if err := vfs.ReadFull(f, b, to-int64(len(b))); err != nil {
			return 0, err
		}
		for i := len(b); i > 0; i-- {
			if b[i-1] != 0 {
				return to - int64(len(b)-i), nil
			}
		}
		to -= int64(len(b))
	}
	return from, nil
}
