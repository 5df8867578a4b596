// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// WriteFact implements backend.Log. It sends the fact again until the server answers, or ctx ends.
func (c *client) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	held, err := c.writeFact(ctx, f)
	if err != nil {
		return backend.Fact{}, fmt.Errorf("network: write fact %q: %w", f.ID, err)
	}
	return held, nil
}

func (c *client) writeFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	f, err := sequencer.Prepare(f, c.maxFrame())
	if err != nil {
		return f, err
	}
	if c.v1 != nil {
		return c.v1.write(ctx, f)
	}
	cl := c.newCall()
	cl.frame = wire.CloseFrame(protocol.AppendWriteFact(wire.OpenFrame(cl.frame[:0]), &f), 0)
	body, err := c.do(ctx, cl)
	if err != nil {
		return f, err // the pipe's queue may still hold the call
	}
	ack, err := protocol.ParseWritten(body)
	if err == nil {
		err = c.gave(cl.hello, ack.Seq)
	}
	c.freeCall(cl)
	if err != nil {
		return f, err
	}
	return acked(ack, f)
}

// maxFrame returns the server's latest limit for the bytes of a request.
func (c *client) maxFrame() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hello.MaxFrame
}

// acked returns the fact that the log holds for f. It keeps the answer's memory only if the answer has the fact. An answer
// about another fact is a *backend.CorruptError.
func acked(a protocol.Ack, f backend.Fact) (backend.Fact, error) {
	held := a.In(f)
	if a.Fact != nil {
		if err := isHeld(&held, &f, a.Seq); err != nil {
			return f, fmt.Errorf("the server's answer to fact %q: %w", f.ID, err)
		}
	}
	held.Causation, held.By = strings.Clone(held.Causation), strings.Clone(held.By)
	return held, nil
}

// isHeld returns an error if held, at seq, can't be the fact that a log holds for the written one.
func isHeld(held, written *backend.Fact, seq uint64) error {
	reason := ""
	switch err := held.Validate(); {
	case err != nil:
		reason = err.Error()
	case held.Seq != seq, held.ID != written.ID, held.Store != written.Store, held.Key != written.Key, held.ValueHash != written.ValueHash:
		reason = fmt.Sprintf("it is about fact %q of key %q in store %q at seq %d, value hash %s", held.ID, held.Key, held.Store, held.Seq, held.ValueHash)
	case !bytes.Equal(held.Value, written.Value):
		given, err := wire.Hash(written.Value)
		if err != nil || given != written.ValueHash {
			return nil // the hash is of another kind, so the values can't be compared
		}
		if hash, err := wire.Hash(held.Value); err != nil || hash != given {
			reason = "its value is another one"
		}
	}
	if reason == "" {
		return nil
	}
	return &backend.CorruptError{Reason: reason}
}

// windowSize is about the number of bytes of requests that Write has in flight.
const windowSize = 4 << 20

// Write sends requests as soon as it has sendSize bytes of them, so that the server works while Write encodes more.
const sendSize = 64 << 10

// Write implements backend.Log. Each batch is a request, and requests are sent without waiting for the answers
// to earlier ones, a few megabytes at a time. Batches whose answers are lost are sent again, in order; their IDs make that
// harmless. A request must fit the server's limit for a frame, even if the log already holds some of its facts.
func (c *client) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	if c.v1 != nil {
		return c.v1.Write(ctx, batches...)
	}
	all := make([]backend.Written, len(batches))
	if len(batches) == 1 {
		all[0].Err = c.writeBatch(ctx, batches[0], &all[0])
	} else {
		for n := 0; n < len(batches); {
			n += c.writeWindow(ctx, batches[n:], all[n:])
		}
	}
	for i := range all {
		if err := all[i].Err; err != nil {
			all[i] = backend.Written{Err: fmt.Errorf("network: write batch of %d facts: %w", len(batches[i].Facts), err)}
		}
	}
	return all
}

// writeBatch writes a batch.
func (c *client) writeBatch(ctx context.Context, b backend.Batch, w *backend.Written) error {
	cl, err := c.batchCall(b, w)
	if err != nil {
		return err
	}
	body, err := c.do(ctx, cl)
	if err != nil {
		return err
	}
	defer c.freeCall(cl)
	return c.parseWritten(cl, body, &b, w)
}

// writeWindow writes the first batches, up to about windowSize bytes, and returns their number.
func (c *client) writeWindow(ctx context.Context, batches []backend.Batch, all []backend.Written) int {
	p, err := c.connected(ctx)
	var calls []*call // nil for a batch that is refused here
	sent := 0         // of calls
	send := func() {
		if err == nil {
			p.submitAll(calls[sent:], all[sent:])
		}
		sent = len(calls)
	}
	for size, unsent := 0, 0; len(calls) < len(batches) && size < windowSize; {
		cl, refused := c.batchCall(batches[len(calls)], &all[len(calls)])
		if refused == nil {
			refused = err
			size, unsent = size+len(cl.frame), unsent+len(cl.frame)
		}
		all[len(calls)].Err = refused
		if calls = append(calls, cl); unsent >= sendSize {
			send()
			unsent = 0
		}
	}
	send()
	bodies := make([][]byte, len(calls))
	for i, cl := range calls {
		if all[i].Err == nil {
			bodies[i], all[i].Err = c.answer(ctx, p, cl)
		}
	}
	// The last batches have no answer and are retried. An earlier batch that the server could not write is not retried,
	// since it would then be written after later batches.
	lost := len(calls)
	for lost > 0 && (calls[lost-1] == nil || isLost(all[lost-1].Err)) {
		lost--
	}
	for i, cl := range calls {
		if cl != nil && i >= lost {
			if err == nil || ctx.Err() == nil { // otherwise keep err, which says more than the error of another attempt
				bodies[i], err = c.do(ctx, cl)
			}
			all[i].Err = err
		}
		if all[i].Err == nil {
			all[i].Err = c.parseWritten(cl, bodies[i], &batches[i], &all[i])
			c.freeCall(cl)
		}
	}
	return len(calls)
}

// batchCall returns the request to write b, and sets w.Facts to its facts in the form that a log keeps, except for the
// fields that the log assigns.
func (c *client) batchCall(b backend.Batch, w *backend.Written) (_ *call, err error) {
	if b.Facts, err = sequencer.PrepareBatch(b, c.maxFrame()); err != nil {
		return nil, err
	}
	w.Facts = b.Facts
	cl := c.newCall()
	cl.frame = wire.OpenFrame(cl.frame[:0])
	if isSingle(&b) {
		cl.frame = protocol.AppendWriteFact(cl.frame, &b.Facts[0])
	} else {
		cl.frame = protocol.AppendWriteBatch(cl.frame, &b)
	}
	cl.frame = wire.CloseFrame(cl.frame, 0)
	return cl, nil
}

// isSingle reports whether b is written as a single fact, which costs less.
func isSingle(b *backend.Batch) bool { return len(b.Facts) == 1 && len(b.Expect) == 0 }

// parseWritten completes w from the answer to the write of b.
func (c *client) parseWritten(cl *call, body []byte, b *backend.Batch, w *backend.Written) error {
	err := parseWritten(body, b, w)
	last := uint64(0)
	for i := range w.Facts {
		last = max(last, w.Facts[i].Seq)
	}
	if err == nil {
		err = c.gave(cl.hello, last)
	}
	return err
}

func parseWritten(body []byte, b *backend.Batch, w *backend.Written) error {
	if isSingle(b) {
		a, err := protocol.ParseWritten(body)
		if err == nil {
			w.Facts[0], err = acked(a, w.Facts[0])
		}
		if err == nil {
			if !a.Duplicate {
				w.First = a.Seq
			}
		}
		return err
	}
	acks, err := protocol.ParseWrittenBatch(body, len(b.Facts))
	for i, a := range acks {
		if w.Facts[i], err = acked(a, w.Facts[i]); err != nil {
			return err
		}
	}
	w.First = protocol.FirstOf(acks)
	return err
}
