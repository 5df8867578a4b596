// SPDX-License-Identifier: Apache-2.0

package caslog

import (
	"context"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Replay implements backend.Backend.
func (l *Log) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return wire.Pages(l.opts.Name, r.Known, l.ReplayFrames(ctx, r))
}

// Follow implements backend.Log.
func (l *Log) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return wire.Pages(l.opts.Name, r.Known, l.FollowFrames(ctx, r))
}

// ReplayFrames implements wire.Framer.
func (l *Log) ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return l.frames(ctx, r, false)
}

// FollowFrames implements wire.Framer.
func (l *Log) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return l.frames(ctx, r, true)
}

func (l *Log) frames(ctx context.Context, r backend.Range, follow bool) iter.Seq2[wire.Frames, error] {
	r.Stores = slices.Clone(r.Stores)
	return func(yield func(wire.Frames, error) bool) {
		inner, cancel := l.during(ctx)
		defer cancel()
		err := l.ended(ctx)
		if err == nil {
			err = l.latest(inner) // also the facts of other processes
		}
		if err != nil {
			yield(wire.Frames{}, l.told(err, "read after seq %d", r.After.Seq))
			return
		}
		wire.Loop(ctx, l.opts.Name, r, follow, func() wire.Source { return &reader{log: l, ctx: inner} })(yield)
	}
}

// A reader is a position in a log.
type reader struct {
	log  *Log
	ctx  context.Context
	next func() (step, error, bool) // the current walk; nil: none
	stop func()
	seq  uint64 // the seq through which the walk was read
	end  uint64 // the seq through which the log was read at the end of the walk
	turn int    // of the horizons that were last returned
	room backend.Room
}

// Begin implements wire.Source.
func (rd *reader) Begin() (backend.Stats, error) {
	l := rd.log
	l.mu.Lock()
	defer l.mu.Unlock()
	rd.turn = l.horizonTurn
	return backend.Stats{Log: l.id, Ancestors: l.ancestors, LastSeq: l.known.seq, Horizons: l.horizons}, l.err()
}

// Changed implements wire.Source.
func (rd *reader) Changed() <-chan struct{} { return rd.log.change.Changed() }

// Close implements wire.Source.
func (rd *reader) Close() {
	if rd.stop != nil {
		rd.stop()
	}
	rd.next, rd.stop = nil, nil
}

// Take implements wire.Source.
func (rd *reader) Take(ctx context.Context, after uint64) (wire.Frames, error) {
	if err := ctx.Err(); err != nil {
		return wire.Frames{}, err
	}
	var p pause
	for {
		f, err := rd.take(after)
		if err == nil {
			if err := rd.room.Hold(ctx, len(f.Bytes)); err != nil {
				rd.Close() // the next call reads them again
				return wire.Frames{}, err
			}
			l := rd.log
			l.mu.Lock() // only now, so that horizons cover all facts that the frames lack
			if rd.turn != l.horizonTurn {
				rd.turn, f.Horizons = l.horizonTurn, l.horizons
			}
			l.mu.Unlock()
			return f, nil
		}
		rd.Close()
		if !passes(err) {
			return wire.Frames{}, rd.log.fail(err)
		}
		if err := p.wait(ctx, rd.log); err != nil {
			return wire.Frames{}, rd.log.because(err)
		}
	}
}

func (rd *reader) take(after uint64) (f wire.Frames, err error) {
	l := rd.log
	l.mu.Lock()
	if err := l.err(); err != nil {
		l.mu.Unlock()
		return f, err
	}
	f.Through.Seq = after
	if after >= l.known.seq {
		f.Through.Seq = l.known.seq
		l.mu.Unlock()
		return f, nil
	}
	if units, ok := l.recent.after(after, backend.PageSize); ok {
		f.Through.Seq = l.known.seq // unless there are more
		for _, u := range units {
			if f.Bytes == nil && len(units) == 1 {
				f.Bytes, f.Kept = u.frame, true
			} else {
				f.Bytes = append(f.Bytes, u.frame...)
			}
			f.Through.Seq = u.last
		}
		l.mu.Unlock()
		return counted(f), nil
	}
	if rd.next == nil || rd.seq != after {
		rd.Close()
		start, through := l.before(after+1), l.known
		rd.end = through.seq
		rd.next, rd.stop = iter.Pull2(l.walk(rd.ctx, start, through.pos, true))
	}
	l.mu.Unlock()
	for len(f.Bytes) < backend.PageSize {
		s, err, ok := rd.next()
		if !ok {
			rd.Close()
			f.Through.Seq = max(f.Through.Seq, rd.end)
			break
		}
		if err != nil && len(f.Bytes) == 0 {
			return f, err
		}
		if err != nil {
			rd.Close() // the next walk finds the error again
			break
		}
		if (s.Kind == Facts || s.standIn) && s.last > after {
			f.Bytes = wire.AppendFrame(f.Bytes, s.Body)
			f.Through.Seq = s.last
		}
	}
	rd.seq = f.Through.Seq
	return counted(f), nil
}

// counted returns f with the number of its facts.
func counted(f wire.Frames) wire.Frames {
	for rest := f.Bytes; len(rest) > 0; {
		var body []byte
		body, rest, _ = wire.CutFrame(rest)
		_, _, n := wire.Seqs(body)
		f.Facts += n
	}
	return f
}
