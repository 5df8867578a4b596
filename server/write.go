package server

import (
	"errors"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// write answers requests to write a fact or a batch: one call of the log, which gives a verdict on each.
func (c *conn) write(requests []protocol.Request) {
	for i := range requests {
		r := &requests[i]
		var b backend.Batch
		if b, r.Err = c.batchOf(r); r.Err == nil {
			c.batches = append(c.batches, b)
		}
	}
	var verdicts []backend.Written
	if len(c.batches) > 0 {
		verdicts = c.server.log.Write(c.server.ctx, c.batches...)
		c.server.note(verdicts)
	}
	for i := range requests {
		r := &requests[i]
		if r.Err != nil {
			c.fail(r.Err, r.ID)
			continue
		}
		w := &verdicts[0]
		if verdicts = verdicts[1:]; w.Err != nil {
			c.fail(r.Diagnose(c.discreet(w.Err)), r.ID)
			continue
		}
		c.written(r, w)
	}
	clear(c.facts)
	clear(c.batches)
	c.facts, c.batches = c.facts[:0], c.batches[:0]
}

// batchOf returns what a request wants to write, if the client may write it.
func (c *conn) batchOf(r *protocol.Request) (b backend.Batch, err error) {
	if c.client.Err != nil {
		return b, c.client.Err
	}
	if r.Op == protocol.OpWriteFact {
		f, err := r.Fact()
		if err != nil {
			return b, err
		}
		c.facts = append(c.facts, f)
		b.Facts = c.facts[len(c.facts)-1 : len(c.facts) : len(c.facts)]
	} else if b, err = r.Batch(); err != nil {
		return b, err
	}
	for i := range b.Facts {
		if err := c.mayWrite(&b.Facts[i]); err != nil {
			return b, err
		}
	}
	for i := range b.Expect {
		if err := c.client.Grant.MayWrite(b.Expect[i].Store); err != nil {
			return b, err
		}
	}
	return b, nil
}

// written answers a request whose facts are in the log.
func (c *conn) written(r *protocol.Request, w *backend.Written) {
	acks := c.acks[:0]
	last := uint64(0)
	for i := range w.Facts {
		f := &w.Facts[i]
		isNew := w.New(f) && f.Seq > last // a batch may have a fact twice
		acks = append(acks, protocol.AckOf(f, !isNew))
		last = max(last, f.Seq)
		// A log that does not know which facts are new is taken to have held those whose seqs have been seen.
		if moved := c.server.advance(f.Seq); isNew || w.First == 0 && moved {
			c.server.metrics.factsIn.Add(1)
		}
	}
	c.answer(func(dst []byte) []byte {
		switch {
		case c.version == 1:
			return protocol.AppendOK(dst, r.ID)
		case r.Op == protocol.OpWriteFact:
			return protocol.AppendWritten(dst, acks[0], r.ID)
		}
		return protocol.AppendWrittenBatch(dst, acks, r.ID)
	})
	clear(acks)
	c.acks = acks[:0]
}

// note takes note of what writes tell about the log: its last time, and whether it has room.
func (s *Server) note(verdicts []backend.Written) {
	now := time.Now()
	for i := range verdicts {
		w := &verdicts[i]
		if full := errors.Is(w.Err, backend.ErrFull); full != s.full.Load() && (full || w.Err == nil && w.First > 0) {
			s.full.Store(full)
		}
		for n := range w.Facts {
			s.noteTime(w.Facts[n].TransactionTime, now)
		}
	}
}

// discreet returns an error without what the client may not know: where in other stores an ID is used.
func (c *conn) discreet(err error) error {
	if errors.Is(err, backend.ErrIDReused) {
		if stores, _ := c.client.Grant.Readable(nil); stores != nil {
			return backend.ErrIDReused
		}
	}
	return err
}
