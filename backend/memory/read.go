package memory

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// blockSize is how many bytes of frames a reader copies at once, at least one frame. Facts given
// out share blocks.
const blockSize = 64 << 10

// Replay implements backend.Backend.
func (l *Log) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		l.mu.Lock()
		through := uint64(0)
		if n := len(l.chunks); n > 0 {
			through = l.chunks[n-1].last
		}
		l.mu.Unlock()
		r := reader{log: l, seq: after}
		for {
			block, _, err := r.next(ctx)
			if err != nil {
				yield(backend.Fact{}, fmt.Errorf("memory: replay after seq %d: %w", r.seq, err))
				return
			}
			if block == nil || r.seq >= through {
				return
			}
			if !r.give(ctx, block, through, nil, yield) {
				return
			}
		}
	}
}

// Follow implements backend.Follower.
func (l *Log) Follow(ctx context.Context, after uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	stores = slices.Clone(stores)
	return func(yield func(backend.Fact, error) bool) {
		r := reader{log: l, seq: after}
		for {
			block, changed, err := r.next(ctx)
			if err != nil {
				yield(backend.Fact{}, fmt.Errorf("memory: follow after seq %d: %w", r.seq, err))
				return
			}
			if block != nil {
				if !r.give(ctx, block, ^uint64(0), stores, yield) {
					return
				}
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// A reader is a place in a log.
type reader struct {
	log   *Log
	seq   uint64 // of the last fact passed
	chunk *chunk // where it is, perhaps no longer a part of the log; nil: not known
	at    int    // the offset of the next frame there
}

// next returns the frames after the reader's place that are in one piece, without a copy; nil if
// there are none, and then a channel that is closed once that may have changed.
func (r *reader) next(ctx context.Context) (frames []byte, changed <-chan struct{}, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil, backend.ErrClosed
	}
	if r.chunk == nil || r.at == len(r.chunk.frames) {
		i := l.at(r.seq)
		if i == len(l.chunks) {
			if l.changed == nil {
				l.changed = make(chan struct{})
			}
			return nil, l.changed, nil
		}
		r.chunk = l.chunks[i]
		r.at = int(r.chunk.offsets[r.chunk.after(r.seq)])
	}
	return r.chunk.frames[r.at:len(r.chunk.frames):len(r.chunk.frames)], nil, nil
}

// give yields the facts in frames through a seq, those of some stores or (with none) all, and
// reports whether to go on.
func (r *reader) give(ctx context.Context, frames []byte, through uint64, stores []string, yield func(backend.Fact, error) bool) bool {
	for len(frames) > 0 {
		block := slices.Clone(frames[:whole(frames)])
		frames = frames[len(block):]
		for len(block) > 0 {
			body, rest, _ := wire.CutFrame(block)
			f, err := wire.ParseFact(body)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(backend.Fact{}, fmt.Errorf("memory: read after seq %d: %w", r.seq, err))
				return false
			}
			if f.Seq > through {
				return false
			}
			r.seq = f.Seq
			r.at += len(block) - len(rest)
			block = rest
			if (len(stores) == 0 || slices.Contains(stores, f.Store)) && !yield(f, nil) {
				return false
			}
		}
	}
	return true
}

// whole returns the length of the whole frames at the start of frames, up to blockSize and at
// least one.
func whole(frames []byte) int {
	n := 0
	for n < len(frames) {
		body, _, _ := wire.CutFrame(frames[n:])
		size := len(body) + wire.FrameOverhead
		if n > 0 && n+size > blockSize {
			break
		}
		n += size
	}
	return n
}

// own returns f with bytes and strings of its own.
func own(f backend.Fact) backend.Fact {
	g, err := wire.ParseFact(wire.AppendFact(nil, &f))
	if err != nil {
		return f.Clone()
	}
	return g
}
