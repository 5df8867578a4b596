package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/internal/sequencer"
	"github.com/igniter-store/igniter/wire"
)

// WriteFact implements backend.Backend.
func (l *Log) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	facts := [1]backend.Fact{f}
	err := l.checkSize(facts[:])
	if err == nil {
		err = f.Validate()
	}
	if err == nil {
		err = l.write(ctx, facts[:], nil)
	}
	if err != nil {
		return backend.Fact{}, fmt.Errorf("memory: write fact %q: %w", f.ID, err)
	}
	return facts[0], nil
}

// WriteBatch implements backend.BatchWriter.
func (l *Log) WriteBatch(ctx context.Context, b backend.Batch) ([]backend.Fact, error) {
	err := l.checkSize(b.Facts)
	if err == nil {
		err = b.Validate()
	}
	facts := slices.Clone(b.Facts)
	if err == nil {
		err = l.write(ctx, facts, b.Expect)
	}
	if err != nil {
		return nil, fmt.Errorf("memory: write batch of %d facts: %w", len(b.Facts), err)
	}
	return facts, nil
}

// checkSize refuses facts that can't fit a frame, before anything is done with their bytes. Whether
// those of a batch fit one together shows once it is known which of them are new.
func (l *Log) checkSize(facts []backend.Fact) error {
	for i := range facts {
		if sequencer.Size(&facts[i]) > l.opts.MaxFrame {
			return l.tooLarge()
		}
	}
	return nil
}

func (l *Log) tooLarge() error {
	return fmt.Errorf("%w: the limit is a frame of %d bytes", backend.ErrTooLarge, l.opts.MaxFrame)
}

var drafts = sync.Pool{New: func() any { return new([]wire.EncodedFact) }}

// write encodes, numbers and appends the facts, which are valid, and puts what the log then holds
// in their place. All but numbering and copying is done without the lock.
func (l *Log) write(ctx context.Context, facts []backend.Fact, expect []backend.Expect) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	pooled := drafts.Get().(*[]wire.EncodedFact)
	defer drafts.Put(pooled)
	for len(*pooled) < len(facts) {
		*pooled = append(*pooled, wire.EncodedFact{})
	}
	for i := range facts {
		var err error
		if facts[i], err = sequencer.Normalize(facts[i]); err != nil {
			return err
		}
		(*pooled)[i].Encode(&facts[i])
	}
	now := wire.Time(l.opts.Now())

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return backend.ErrClosed
	}
	first := l.seq.Next()
	fresh, err := l.seq.Assign(facts, expect, now)
	if err != nil || fresh == 0 {
		return err
	}
	if err := l.assemble(facts, *pooled, first); err != nil {
		l.seq.Rollback()
		return err
	}
	l.append(first)
	l.seq.Commit()
	l.wake()
	return nil
}

// assemble makes scratch the frames of the new facts, which have seqs from first on. The caller
// holds mu.
func (l *Log) assemble(facts []backend.Fact, drafts []wire.EncodedFact, first uint64) error {
	l.scratch = l.scratch[:0]
	group := len("[\n\n]") - len(",\n") // the frame that a file would write them in
	seq := first
	for i := range facts {
		if facts[i].Seq != seq {
			continue // the log held it already, or the batch has it twice
		}
		seq++
		start := len(l.scratch)
		l.scratch = drafts[i].Append(wire.OpenFrame(l.scratch), &facts[i])
		n := len(l.scratch) - start - 4
		if group += n + len(",\n"); n > l.opts.MaxFrame || seq-first > 1 && group > l.opts.MaxFrame {
			l.scratch = nil
			return l.tooLarge()
		}
		l.scratch = wire.CloseFrame(l.scratch, start)
	}
	return nil
}

// append adds the frames in scratch to the log, the first of them with seq. The caller holds mu.
func (l *Log) append(seq uint64) {
	for rest := l.scratch; len(rest) > 0; seq++ {
		body, next, _ := wire.CutFrame(rest)
		frame := rest[:len(body)+wire.FrameOverhead]
		l.active(len(frame)).append(seq, frame)
		l.facts++
		l.bytes += uint64(len(frame))
		rest = next
	}
	if cap(l.scratch) > maxChunk {
		l.scratch = nil
	}
}

// active returns the chunk to append a frame of n bytes to. The caller holds mu.
func (l *Log) active(n int) *chunk {
	size := minChunk
	if i := len(l.chunks); i > 0 {
		last := l.chunks[i-1]
		if !l.sealed && last.room(n) {
			return last
		}
		size = min(max(2*cap(last.frames), minChunk), maxChunk)
	}
	c := &chunk{frames: make([]byte, 0, max(size, n))}
	l.chunks, l.sealed = append(l.chunks, c), false
	return c
}
