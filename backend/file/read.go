package file

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// Replay implements backend.Backend. Facts share blocks of memory of about 256 KiB with their neighbours, so
// that keeping one fact keeps its block.
func (l *Log) Replay(ctx context.Context, after uint64) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		r := l.reader(after)
		defer r.close()
		through := l.state.Load().last
		var facts []backend.Fact
		run, err := r.next(ctx)
		for ; err == nil && run.facts > 0; run, err = r.next(ctx) {
			if facts, err = run.parse(facts[:0]); err != nil {
				break
			}
			for _, f := range facts {
				if err = ctx.Err(); err != nil || f.Seq > through {
					break
				}
				if !yield(f, nil) {
					return
				}
			}
			if run.last >= through {
				break
			}
		}
		if err != nil {
			yield(backend.Fact{}, fmt.Errorf("file: replay after seq %d: %w", r.seq, err))
		}
	}
}

// Follow implements backend.Follower. It shares memory like Replay.
func (l *Log) Follow(ctx context.Context, after uint64, stores ...string) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		r := l.reader(after)
		defer r.close()
		var facts []backend.Fact
		for {
			changed := l.changed.Changed()
			run, err := r.next(ctx)
			if err == nil {
				facts, err = run.parse(facts[:0])
			}
			for i := 0; i < len(facts) && err == nil; i++ {
				err = ctx.Err()
				if err == nil && (len(stores) == 0 || slices.Contains(stores, facts[i].Store)) && !yield(facts[i], nil) {
					return
				}
			}
			if err != nil {
				yield(backend.Fact{}, fmt.Errorf("file: follow after seq %d: %w", r.seq, err))
				return
			}
			if run.facts == 0 {
				select {
				case <-changed:
				case <-ctx.Done():
				}
			}
		}
	}
}

// Frames implements wire.Framer.
func (l *Log) Frames(ctx context.Context, after uint64) iter.Seq2[wire.Run, error] {
	return func(yield func(wire.Run, error) bool) {
		r := l.reader(after)
		defer r.close()
		for {
			changed := l.changed.Changed()
			run, err := r.next(ctx)
			if err != nil {
				yield(wire.Run{}, fmt.Errorf("file: frames after seq %d: %w", r.seq, err))
				return
			}
			if run.facts > 0 {
				changed = nil
			}
			if !yield(wire.Run{Frames: run.frames, Last: run.last, Facts: run.facts, Changed: changed}, nil) {
				return
			}
		}
	}
}

// runSize is how many bytes of frames are read together, unless a single frame has more.
const runSize = wire.RunSize

// A reader reads the log from one place on. It is not safe for concurrent use.
type reader struct {
	log  *Log
	size int    // how many bytes to read together
	seq  uint64 // the log was read through it

	tail   []tailFrame // frames that are not read yet; nil if the reader is not in the tail
	file   fileReader  // of the file name; File is nil if none is open
	name   string
	gaps   bool
	last   uint64 // file has facts through it
	unread []byte // a frame that was taken and not returned
}

func (l *Log) reader(after uint64) *reader { return &reader{log: l, size: runSize, seq: after} }

func (r *reader) close() {
	if r.file.File != nil {
		_ = r.file.Close() // it was only read
	}
	r.file = fileReader{}
}

// A run is frames of the log that follow each other in memory.
type run struct {
	frames []byte
	facts  int
	last   uint64 // the log was read through it
	shared bool   // the log has the frames in memory too
}

// parse appends the facts of a run.
func (x *run) parse(facts []backend.Fact) (_ []backend.Fact, err error) {
	rest := x.frames
	if x.shared {
		rest = bytes.Clone(rest)
	}
	for len(rest) > 0 && err == nil {
		var body []byte
		body, rest, _ = wire.CutFrame(rest)
		facts, err = wire.ParseGroup(facts, body)
	}
	return facts, err
}

// next returns the frames after r.seq, some 256 KiB or one larger frame, and moves r.seq behind them. At the
// end of the log it returns none.
func (r *reader) next(ctx context.Context) (got run, err error) {
	for {
		if r.log.state.Load().closed {
			return got, backend.ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return got, err
		}
		frame := r.unread
		if r.unread = nil; frame == nil {
			frame, err = r.frame()
		}
		if err == io.EOF {
			if got.facts > 0 {
				return got, nil
			}
			more, err := r.find()
			if err != nil || !more {
				got.last = r.seq
				return got, err
			}
			got.shared = r.tail != nil
			continue
		}
		if err != nil {
			return got, err
		}
		whole := frame
		frame, last, facts, err := r.trim(frame)
		if err != nil {
			return got, err
		}
		if facts == 0 {
			continue
		}
		frames, ok := wire.Join(got.frames, frame)
		if !ok || got.facts > 0 && len(frames) > r.size {
			r.unread = whole
			return got, nil
		}
		got.frames, got.last, got.facts = frames, last, got.facts+facts
		got.shared = r.tail != nil
		r.seq = last
	}
}

// frame returns the next frame at the reader's place, io.EOF if it has no more.
func (r *reader) frame() ([]byte, error) {
	switch {
	case len(r.tail) > 0:
		frame := r.tail[0].frame
		r.tail = r.tail[1:]
		return frame, nil
	case r.file.File != nil:
		return r.file.NextFrame()
	}
	return nil, io.EOF
}

// trim returns a frame without the facts up to r.seq, the seq of its last fact, and how many it has.
func (r *reader) trim(frame []byte) ([]byte, uint64, int, error) {
	body, _, _ := wire.CutFrame(frame)
	first, last, facts := wire.Seqs(body)
	switch {
	case facts == 0:
		_, err := r.file.Parse(nil, body)
		return nil, 0, 0, err
	case last <= r.seq:
		return nil, 0, 0, nil
	case first > r.seq:
		return frame, last, facts, nil
	}
	all, err := wire.ParseGroup(nil, body)
	if err != nil {
		return nil, 0, 0, err
	}
	all = all[sort.Search(len(all), func(i int) bool { return all[i].Seq > r.seq }):]
	return wire.AppendFrame(nil, wire.AppendGroup(nil, all)), last, len(all), nil
}

// find finds where the facts after r.seq are: in the tail, or in a file. It reports false if there are none.
func (r *reader) find() (bool, error) {
	if r.file.File != nil {
		r.seq = max(r.seq, r.last) // the last facts in the file may be pruned
	}
	d := r.log.dir
	d.names.RLock()
	defer d.names.RUnlock()
	s := r.log.state.Load()
	r.tail = s.tail.after(r.seq)
	if r.seq >= s.last || r.tail != nil {
		r.close() // what comes next is in memory first, and the file may be removed
		return r.tail != nil, nil
	}
	f := s.find(r.seq)
	r.last = f.Last
	if r.file.File != nil && r.name == f.Name && !f.Gaps {
		r.file.Extend(f.Size) // the same file, which has grown
		return true, nil
	}
	r.close()
	var err error
	if r.file, err = d.open(f, f.Start(r.seq), f.Size); err != nil {
		return false, fmt.Errorf("open a file of the log: %w", err)
	}
	r.name = f.Name
	return true, nil
}
