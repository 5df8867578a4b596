package memory

import (
	"context"
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/wire"
)

// Frames implements wire.Framer.
func (l *Log) Frames(ctx context.Context, after uint64) iter.Seq2[wire.Run, error] {
	return func(yield func(wire.Run, error) bool) {
		r := reader{log: l, seq: after}
		for {
			frames, changed, err := r.next(ctx)
			if err != nil {
				yield(wire.Run{}, fmt.Errorf("memory: frames after seq %d: %w", r.seq, err))
				return
			}
			run := wire.Run{Last: r.seq, Changed: changed}
			if frames != nil {
				run = firstRun(frames)
				r.at += len(run.Frames)
				r.seq = run.Last
			}
			if !yield(run, nil) {
				return
			}
		}
	}
}

// firstRun returns the frames at the start of frames that make a run.
func firstRun(frames []byte) (run wire.Run) {
	var last []byte
	n := 0
	for n < len(frames) {
		body, _, _ := wire.CutFrame(frames[n:])
		size := len(body) + wire.FrameOverhead
		if n > 0 && n+size > wire.RunSize {
			break
		}
		last = body
		run.Facts++
		n += size
	}
	run.Frames, run.Last = frames[:n:n], wire.Seq(last)
	return run
}
