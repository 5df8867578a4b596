// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"iter"
	"sort"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Replay implements backend.Backend.
func (l *Log) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return wire.Pages("memory", r.Known, l.ReplayFrames(ctx, r))
}

// Follow implements backend.Log.
func (l *Log) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return wire.Pages("memory", r.Known, l.FollowFrames(ctx, r))
}

// ReplayFrames implements wire.Framer.
func (l *Log) ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return wire.Loop(ctx, "memory", r, false, l.reader)
}

// FollowFrames implements wire.Framer.
func (l *Log) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return wire.Loop(ctx, "memory", r, true, l.reader)
}

func (l *Log) reader() wire.Source { return &reader{log: l} }

// A reader is a position in a log.
type reader struct {
	log   *Log
	chunk *chunk // the reader's position, perhaps no longer a part of the log; nil: not known
	at    int    // the index of the next frame in chunk

	prunings int // of the log, when its horizons were last returned
	room     backend.Room
}

// Begin implements wire.Source.
func (rd *reader) Begin() (backend.Stats, error) {
	l := rd.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return backend.Stats{}, backend.ErrClosed
	}
	rd.prunings = l.prunings
	return backend.Stats{Log: l.id, LastSeq: l.last(), Horizons: l.horizons}, nil
}

// Changed implements wire.Source.
func (rd *reader) Changed() <-chan struct{} { return rd.log.change.Changed() }

// Close implements wire.Source.
func (rd *reader) Close() {}

// Take implements wire.Source. It copies no frames.
func (rd *reader) Take(ctx context.Context, after uint64) (wire.Frames, error) {
	f := wire.Frames{Kept: true}
	last, err := rd.take(ctx, after, &f)
	if err == nil {
		if err = rd.room.Hold(ctx, len(f.Bytes)); err != nil { // the page will be a copy of the frames
			rd.chunk = nil // the next call finds the position again
			return wire.Frames{}, err
		}
	}
	for rest := f.Bytes; len(rest) > 0; {
		var body []byte
		body, rest, _ = wire.CutFrame(rest)
		_, to, n := wire.Seqs(body)
		last, f.Facts = to, f.Facts+n
	}
	f.Through.Seq = last
	return f, err
}

// take sets f to about a page of frames after the reader's position, without copying, and to the horizons if they are new.
// It returns the last seq of the log if there are no frames.
func (rd *reader) take(ctx context.Context, after uint64, f *wire.Frames) (last uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l := rd.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, backend.ErrClosed
	}
	if rd.chunk == nil || rd.at == len(rd.chunk.offsets) {
		if rd.prunings != l.prunings {
			rd.prunings, f.Horizons = l.prunings, l.horizons
		}
		i := l.at(after)
		if i == len(l.chunks) {
			return l.last(), nil
		}
		rd.chunk = l.chunks[i]
		rd.at = rd.chunk.after(after)
	}
	c, from := rd.chunk, int(rd.chunk.offsets[rd.at])
	fit := sort.Search(len(c.offsets)-rd.at, func(i int) bool { return c.end(rd.at+i)-from > backend.PageSize })
	rd.at += max(fit, 1)
	to := c.end(rd.at - 1)
	f.Bytes = c.frames[from:to:to]
	return 0, nil
}
