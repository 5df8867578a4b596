package memory

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Replay implements backend.Backend.
func (l *Log) Replay(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return pages(l.ReplayFrames(ctx, r))
}

// Follow implements backend.Log.
func (l *Log) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return pages(l.FollowFrames(ctx, r))
}

// ReplayFrames implements wire.Framer.
func (l *Log) ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return l.read(ctx, r, false)
}

// FollowFrames implements wire.Framer.
func (l *Log) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return l.read(ctx, r, true)
}

// pages parses frames. The facts of a page have a copy of the frames for themselves, since the log's own
// memory must not change.
func pages(frames iter.Seq2[wire.Frames, error]) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for f, err := range frames {
			p := backend.Page{Through: f.Through}
			if f.Facts > 0 {
				p.Facts = make([]backend.Fact, 0, f.Facts)
			}
			for rest := slices.Clone(f.Bytes); len(rest) > 0 && err == nil; {
				var body []byte
				body, rest, _ = wire.CutFrame(rest)
				p.Facts, err = wire.ParseGroup(p.Facts, body)
			}
			if err != nil {
				yield(backend.Page{}, err)
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// read yields the part r of the log and, if follow, what is written later.
func (l *Log) read(ctx context.Context, r backend.Range, follow bool) iter.Seq2[wire.Frames, error] {
	r.Stores = slices.Clone(r.Stores)
	return func(yield func(wire.Frames, error) bool) {
		rd := reader{log: l, left: r}
		err := rd.begin(ctx, follow)
		for first := true; err == nil; first = false {
			var changed <-chan struct{}
			if follow {
				changed = l.change.Changed()
			}
			before := rd.left.After
			var page wire.Frames
			var end bool
			if page, end, err = rd.next(ctx); err != nil {
				break
			}
			if (first || page.Facts > 0 || page.Through != before) && !yield(page, nil) {
				return
			}
			if rd.done() || end && !follow {
				return
			}
			if end {
				select {
				case <-changed:
				case <-ctx.Done():
				}
			}
		}
		yield(wire.Frames{}, fmt.Errorf("memory: read after seq %d: %w", rd.left.After.Seq, err))
	}
}

// A reader is a place in a log.
type reader struct {
	log   *Log
	left  backend.Range // what is left to read
	chunk *chunk        // where the reader is, perhaps no longer a part of the log; nil: not known
	at    int           // the index of the next frame there
}

// begin checks where the reader begins. A reader that does not follow ends where the log ends now.
func (rd *reader) begin(ctx context.Context, follow bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l, r := rd.log, &rd.left
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return backend.ErrClosed
	}
	s := backend.Stats{Log: l.id, LastSeq: l.last()}
	seq, err := s.Resume(r.After)
	if err != nil {
		return err
	}
	r.After = backend.Cursor{Log: l.id, Seq: seq}
	if !follow && (r.Through == 0 || r.Through > s.LastSeq) {
		r.Through = s.LastSeq
	}
	return nil
}

// done reports whether the reader is through with its range.
func (rd *reader) done() bool { return rd.left.Through != 0 && rd.left.After.Seq >= rd.left.Through }

// next returns the next page, which shares the log's memory where whole frames are wanted, and reports
// whether the log holds no more.
func (rd *reader) next(ctx context.Context) (p wire.Frames, end bool, err error) {
	r := &rd.left
	for scanned := 0; !rd.done() && len(p.Bytes) < backend.PageSize && scanned < maxChunk; {
		frames, last, err := rd.take(ctx)
		if err != nil && p.Facts == 0 {
			return wire.Frames{}, false, err
		}
		if err != nil {
			break // the next call meets it again
		}
		end = frames == nil
		if !end {
			scanned += len(frames)
			if p, last, err = rd.choose(p, frames); err != nil {
				return wire.Frames{}, false, err
			}
		}
		if r.Through != 0 {
			last = min(last, r.Through)
		}
		r.After.Seq = max(r.After.Seq, last)
		if end || r.Stores == nil {
			break
		}
	}
	p.Through = r.After
	return p, end, nil
}

// choose adds to p what is wanted of frames, and returns the seq of the last fact in frames.
func (rd *reader) choose(p wire.Frames, frames []byte) (_ wire.Frames, last uint64, err error) {
	r := &rd.left
	if r.Stores == nil {
		first, last, facts := seqs(frames)
		if first > r.After.Seq && (r.Through == 0 || last <= r.Through) {
			p.Bytes, p.Facts = frames, facts
			return p, last, nil
		}
	}
	var facts int
	p.Bytes, facts, last, err = wire.AppendSelected(p.Bytes, frames, r)
	p.Facts += facts
	return p, last, err
}

// seqs returns the seqs of the first and the last fact in frames, and how many facts they have.
func seqs(frames []byte) (first, last uint64, facts int) {
	for rest := frames; len(rest) > 0; {
		var body []byte
		body, rest, _ = wire.CutFrame(rest)
		from, to, n := wire.Seqs(body)
		if facts == 0 {
			first = from
		}
		last, facts = to, facts+n
	}
	return first, last, facts
}

// take returns the frames after the reader's place, about a page without a copy. If there are none, it
// returns nil and the last seq of the log.
func (rd *reader) take(ctx context.Context) (frames []byte, last uint64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	l := rd.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, 0, backend.ErrClosed
	}
	if rd.chunk == nil || rd.at == len(rd.chunk.offsets) {
		i := l.at(rd.left.After.Seq)
		if i == len(l.chunks) {
			return nil, l.last(), nil
		}
		rd.chunk = l.chunks[i]
		rd.at = rd.chunk.after(rd.left.After.Seq)
	}
	c, from := rd.chunk, int(rd.chunk.offsets[rd.at])
	fit := sort.Search(len(c.offsets)-rd.at, func(i int) bool { return c.end(rd.at+i)-from > backend.PageSize })
	rd.at += max(fit, 1)
	to := c.end(rd.at - 1)
	return c.frames[from:to:to], 0, nil
}
