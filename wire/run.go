package wire

import (
	"bytes"
	"context"
	"iter"
)

// RunSize is how long a [Run] is at most, in bytes, unless a single frame is longer.
const RunSize = 256 << 10

// A Run is a piece of a log as it is kept: whole frames, each of one fact or a group of facts.
type Run struct {
	// Frames is the frames one after the other. They are shared with the log and with others, and
	// never change: who wants to change them copies them.
	Frames []byte

	Last  uint64 // the seq through which the log was read with this run
	Facts int    // how many facts are in Frames

	// Changed is given with a run that has no frames: the log has nothing after Last at present,
	// and closes Changed once that may be different.
	Changed <-chan struct{}
}

// A Framer is a backend that gives its log out in the frames that it is kept in, so that it can be sent
// without being encoded again. It is optional: it adds speed to what Replay and Follow say of a log,
// and no other meaning.
type Framer interface {
	// Frames yields the log after seq after, in order and without a gap. At the log's end it yields
	// a run without frames; a body that wants to wait waits for its Changed, and the next step looks
	// again. Each pair is a run and nil, or the zero Run and an error, which ends the loop: ctx's,
	// backend.ErrClosed once the backend is closed, a *backend.CorruptError. No lock is held while
	// the body runs.
	Frames(ctx context.Context, after uint64) iter.Seq2[Run, error]
}

// Join returns run with frame after it, without a copy, if that is where frame stands in memory. Both
// must be slices of one block whose capacity was not cut.
func Join(run, frame []byte) (joined []byte, ok bool) {
	if len(run) == 0 {
		return frame, true
	}
	end := len(run) + len(frame)
	if len(frame) == 0 || cap(run) < end || &run[:end][len(run)] != &frame[0] {
		return run, false
	}
	return run[:end], true
}

// Seqs returns the seqs of the first and the last fact of a body that this codec wrote, be it one
// fact or a group, and how many facts it has; 0 for a body that has other than such facts.
func Seqs(body []byte) (first, last uint64, facts int) {
	if len(body) > 0 && body[0] == '{' {
		if first = Seq(body); first > 0 {
			facts = 1
		}
		return first, first, facts
	}
	if has(body, 0, "[\n") && has(body, len(body)-2, "\n]") {
		first = Seq(body[2:])
		last = Seq(body[bytes.LastIndexByte(body[:len(body)-2], '\n')+1:])
		if first > 0 && last >= first {
			return first, last, bytes.Count(body, []byte("\n")) - 1
		}
		return 0, 0, 0
	}
	all, err := ParseGroup(nil, body)
	if err != nil || len(all) == 0 || all[0].Seq == 0 {
		return 0, 0, 0
	}
	return all[0].Seq, all[len(all)-1].Seq, len(all)
}
