// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/hugepage"
	"github.com/igniter-store/igniter/wire"
)

// WriteFact implements backend.Backend.
func (l *Log) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	var facts [1]backend.Fact
	err := ctx.Err()
	if err == nil {
		facts[0], err = sequencer.Prepare(f, l.opts.MaxFrame)
	}
	if err == nil {
		_, err = l.write(facts[:], nil)
	}
	if err != nil {
		return backend.Fact{}, fmt.Errorf("memory: write fact %q: %w", f.ID, err)
	}
	return facts[0], nil
}

// Write implements backend.Log.
func (l *Log) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	if err := ctx.Err(); err != nil {
		return backend.Refused(len(batches), fmt.Errorf("memory: write %d batches: %w", len(batches), err))
	}
	all := make([]backend.Written, len(batches))
	for i, b := range batches {
		w := &all[i]
		facts, err := sequencer.PrepareBatch(b, l.opts.MaxFrame)
		if err == nil {
			w.First, err = l.write(facts, b.Expect)
		}
		if err != nil {
			w.Err = fmt.Errorf("memory: write batch of %d facts: %w", len(b.Facts), err)
			continue
		}
		w.Facts = facts
	}
	return all
}

// maxKept limits the encoded facts, all of them small, that are kept for the next write.
const maxKept = 1 << 10

var encoded = sync.Pool{New: func() any { return new([]wire.EncodedFact) }}

// write encodes, numbers and appends the facts, and replaces each by the fact that the log then holds. It returns the seq
// of the first new one, or 0 if all were held. It holds the lock only for numbering and copying.
func (l *Log) write(facts []backend.Fact, expect []backend.Expect) (first uint64, err error) {
	pooled := encoded.Get().(*[]wire.EncodedFact)
	defer func() {
		if len(*pooled) <= maxKept {
			encoded.Put(pooled)
		}
	}()
	for len(*pooled) < len(facts) {
		*pooled = append(*pooled, wire.EncodedFact{})
	}
	for i := range facts {
		(*pooled)[i].Encode(&facts[i])
	}
	first, err = l.append(facts, *pooled, expect, l.opts.Now())
	if first > 0 {
		l.change.Notify()
	}
	return first, err
}

// append numbers the facts and appends the new ones as one frame.
func (l *Log) append(facts []backend.Fact, encoded []wire.EncodedFact, expect []backend.Expect, now time.Time) (first uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, backend.ErrClosed
	}
	first = l.seq.Next()
	fresh, err := l.seq.Assign(facts, expect, now)
	if err != nil || fresh == 0 {
		return 0, err
	}
	if err := l.assemble(facts, encoded, first); err != nil {
		l.seq.Rollback()
		return 0, err
	}
	l.active(len(l.frame)).append(l.frame)
	l.seq.Commit()
	if cap(l.frame) > maxChunk {
		l.bodies, l.scratch, l.frame = nil, nil, nil
	}
	return first, nil
}

// assemble makes l.frame the frame of the new facts, which have seqs from first on. The caller holds mu.
func (l *Log) assemble(facts []backend.Fact, encoded []wire.EncodedFact, first uint64) error {
	l.bodies, l.scratch = l.bodies[:0], l.scratch[:0]
	for i := range facts {
		if facts[i].Seq != first+uint64(len(l.bodies)) {
			continue // the log already held it, or the batch has it twice
		}
		start := len(l.scratch)
		l.scratch = encoded[i].Append(l.scratch, &facts[i])
		l.bodies = append(l.bodies, l.scratch[start:])
		if len(l.scratch) > l.opts.MaxFrame {
			break
		}
	}
	if len(l.scratch) <= l.opts.MaxFrame {
		l.frame = wire.CloseFrame(wire.AppendBodies(wire.OpenFrame(l.frame[:0]), l.bodies), 0)
	}
	if len(l.scratch) > l.opts.MaxFrame || len(l.frame)-wire.FrameOverhead > l.opts.MaxFrame {
		l.bodies, l.scratch, l.frame = nil, nil, nil
		return sequencer.TooLarge(l.opts.MaxFrame)
	}
	return nil
}

// active returns a chunk with room for a frame of n bytes. The caller holds mu.
func (l *Log) active(n int) *chunk {
	size := minChunk
	if i := len(l.chunks); i > 0 {
		last := l.chunks[i-1]
		if !l.sealed && last.room(n) {
			return last
		}
		size = min(max(2*cap(last.frames), minChunk), maxChunk)
	}
	c := &chunk{frames: hugepage.Make(max(size, n))[:0]}
	l.chunks, l.sealed = append(l.chunks, c), false
	return c
}
