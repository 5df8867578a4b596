package file

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/igniter-store/igniter/wire"
)

// Frames implements wire.Framer.
func (l *Log) Frames(ctx context.Context, after uint64) iter.Seq2[wire.Run, error] {
	return func(yield func(wire.Run, error) bool) {
		r := l.reader(after)
		defer r.close()
		for {
			run, err := r.run(ctx)
			if err != nil {
				yield(wire.Run{}, fmt.Errorf("file: frames after seq %d: %w", r.seq, err))
				return
			}
			if !yield(run, nil) {
				return
			}
		}
	}
}

// run returns the frames after the reader's place that follow each other in memory.
func (r *reader) run(ctx context.Context) (run wire.Run, err error) {
	for {
		if err := r.goOn(ctx); err != nil {
			return run, err
		}
		frame := r.left
		if r.left = nil; frame == nil {
			frame, _, err = r.frame()
		}
		if err == io.EOF {
			if run.Facts > 0 {
				return run, nil
			}
			if run.Changed, err = r.find(); run.Changed != nil || err != nil {
				run.Last = r.seq
				return run, err
			}
			continue
		}
		if err != nil {
			return run, err
		}
		frame, last, facts, err := r.trim(frame)
		if err != nil {
			return run, err
		}
		if facts == 0 {
			continue
		}
		frames, ok := wire.Join(run.Frames, frame)
		if !ok || run.Facts > 0 && len(frames) > wire.RunSize {
			r.left = frame
			return run, nil
		}
		run.Frames, run.Last, run.Facts = frames, last, run.Facts+facts
		r.seq = last
	}
}

// trim returns a frame without the facts up to the reader's place, the seq of its last fact, and how
// many it has.
func (r *reader) trim(frame []byte) ([]byte, uint64, int, error) {
	body, _, _ := wire.CutFrame(frame)
	first, last, facts := wire.Seqs(body)
	switch {
	case facts == 0:
		_, err := r.file.parse(nil, body)
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
	all = since(all, r.seq+1)
	return wire.AppendFrame(nil, wire.AppendGroup(nil, all)), last, len(all), nil
}
