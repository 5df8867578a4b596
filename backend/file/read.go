package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sort"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Replay implements backend.Backend. The facts share blocks of memory with their neighbours, of
// some 256 KiB or one larger frame, so that keeping one fact keeps its block.
func (l *Log) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		r := l.reader(after)
		defer r.close()
		through, err := l.lastSeq()
		for err == nil && r.seq < through {
			var facts []backend.Fact
			if facts, _, err = r.next(ctx); facts == nil && err == nil {
				return // the last ones were pruned
			}
			for i := range facts {
				if facts[i].Seq > through {
					return
				}
				if err = ctx.Err(); err != nil {
					break
				}
				if r.seq = facts[i].Seq; !yield(facts[i], nil) {
					return
				}
			}
		}
		if err != nil {
			yield(backend.Fact{}, fmt.Errorf("file: replay after seq %d: %w", r.seq, err))
		}
	}
}

// Follow implements backend.Follower. What Replay says of memory holds here too.
func (l *Log) Follow(ctx context.Context, after uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		r := l.reader(after)
		defer r.close()
		for {
			facts, changed, err := r.next(ctx)
			for i := range facts {
				if err = ctx.Err(); err != nil {
					break
				}
				r.seq = facts[i].Seq
				if (len(stores) == 0 || slices.Contains(stores, facts[i].Store)) && !yield(facts[i], nil) {
					return
				}
			}
			if err != nil {
				yield(backend.Fact{}, fmt.Errorf("file: follow after seq %d: %w", r.seq, err))
				return
			}
			if facts == nil {
				select {
				case <-changed:
				case <-ctx.Done():
				}
			}
		}
	}
}

// A reader is a place in the log. It is not safe for concurrent use.
type reader struct {
	log    *Log
	seq    uint64 // of the last fact passed
	facts  []backend.Fact
	frames [][]byte // of the tail, still to be given out
	left   []byte   // a frame that run took and did not give out; nil: none
	piece  *piece   // that file is of; nil: none is open
	file   *frameReader
	last   uint64 // what file covers, up to where it is read
}

func (l *Log) reader(after uint64) *reader { return &reader{log: l, seq: after} }

func (r *reader) close() {
	if r.file != nil {
		_ = r.file.close() // it was only read
	}
	r.piece, r.file = nil, nil
}

// next returns the facts after the reader's place that are in one frame. They are good until next
// is called again, the memory that they point to for good. If there are none, facts is nil, and
// changed is closed once that may be different.
func (r *reader) next(ctx context.Context) (facts []backend.Fact, changed <-chan struct{}, err error) {
	for {
		if err := r.goOn(ctx); err != nil {
			return nil, nil, err
		}
		frame, shared, err := r.frame()
		if err == io.EOF {
			if changed, err = r.find(); changed != nil || err != nil {
				return nil, changed, err
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		body, _, _ := wire.CutFrame(frame)
		if shared {
			r.facts, err = wire.ParseGroup(r.facts[:0], bytes.Clone(body))
		} else {
			r.facts, err = r.file.parse(r.facts[:0], body)
		}
		if err != nil {
			return nil, nil, err
		}
		if facts = since(r.facts, r.seq+1); len(facts) > 0 {
			return facts, nil, nil
		}
	}
}

func (r *reader) goOn(ctx context.Context) error {
	if r.log.isClosed() {
		return backend.ErrClosed
	}
	return ctx.Err()
}

// since returns the facts from a seq on.
func since(facts []backend.Fact, seq uint64) []backend.Fact {
	return facts[sort.Search(len(facts), func(i int) bool { return facts[i].Seq >= seq }):]
}

// frame returns the next frame of where the reader is, io.EOF at the end of that. A shared frame is what
// others read too, and must not be given out to be changed.
func (r *reader) frame() (frame []byte, shared bool, err error) {
	switch {
	case len(r.frames) > 0:
		frame, r.frames = r.frames[0], r.frames[1:]
		return frame, true, nil
	case r.file != nil:
		frame, err = r.file.nextFrame()
		return frame, false, err
	}
	return nil, false, io.EOF
}

// find finds where to read what comes after the reader's place: in the tail, or in a piece. A
// channel means that there is nothing.
func (r *reader) find() (<-chan struct{}, error) {
	if r.file != nil {
		r.seq = max(r.seq, r.last) // the facts up to there may be pruned
	}
	for {
		changed, generation, err := r.open()
		if err == nil || !errors.Is(err, fs.ErrNotExist) || r.log.unchanged(generation) {
			return changed, err
		}
		// A snapshot took the place of the piece meanwhile.
	}
}

func (r *reader) open() (changed <-chan struct{}, generation int, err error) {
	l := r.log
	l.opening.RLock()
	defer l.opening.RUnlock()
	l.mu.Lock()
	if r.seq >= l.last {
		defer l.mu.Unlock()
		r.close() // what comes next is in memory first, and the file may be removed
		return l.changedLocked(), 0, nil
	}
	if r.frames = l.tail.after(r.seq); r.frames != nil {
		l.mu.Unlock()
		r.close()
		return nil, 0, nil
	}
	p := l.pieces[sort.Search(len(l.pieces)-1, func(i int) bool { return l.pieces[i].last > r.seq })]
	from, to, last, generation := p.from(r.seq), p.size, p.last, l.generation
	l.mu.Unlock()

	if p != r.piece {
		r.close()
		if r.file, err = openPiece(l.opts.fs, l.dir, p, from, to); err != nil {
			return nil, generation, fmt.Errorf("open a piece of the log: %w", err)
		}
		r.piece = p
	} else {
		r.file.extend(to)
	}
	r.last = last
	return nil, generation, nil
}
