// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

// write answers requests to write a fact or a batch. It calls the log once, which returns a verdict on each.
func (c *conn) write(requests []protocol.Request) {
	for i := range requests {
		r := &requests[i]
		var b backend.Batch
		before := c.extra
		if b, r.Err = c.batchOf(r); r.Err == nil {
			c.batches = append(c.batches, b)
		} else {
			c.extra = before // its memory is free
		}
	}
	var verdicts []backend.Written
	if len(c.batches) > 0 {
		verdicts = c.server.log.Write(c.server.writing, c.batches...)
		c.server.note(verdicts)
	}
	batches := c.batches
	for i := range requests {
		r := &requests[i]
		if r.Err != nil {
			c.fail(r.Err, r.ID)
			continue
		}
		w, b := &verdicts[0], &batches[0]
		if verdicts, batches = verdicts[1:], batches[1:]; w.Err != nil {
			c.fail(r.Diagnose(discreet(&c.client.Grant, w.Err)), r.ID)
		} else {
			c.written(r, b, w)
		}
		if *w = (backend.Written{}); len(c.out) > maxKept && !c.flush() {
			c.ending = true
			break
		}
	}
	clear(c.facts)
	clear(c.batches)
	c.facts, c.batches = c.facts[:0], c.batches[:0]
}

// batchOf returns the batch of a request, if the client may write it.
func (c *conn) batchOf(r *protocol.Request) (b backend.Batch, err error) {
	if c.client.Err != nil {
		return b, c.client.Err
	}
	if err := c.client.Grant.MayWriteSome(); err != nil {
		return b, err
	}
	if r.Op == protocol.OpWriteFact {
		f, err := r.Fact()
		if err != nil {
			return b, err
		}
		c.facts = append(c.facts, f)
		b.Facts = c.facts[len(c.facts)-1 : len(c.facts) : len(c.facts)]
		return b, c.server.mayWrite(&c.client.Grant, &b.Facts[0])
	}
	c.items = 0
	return r.CheckedBatch(func(f *backend.Fact) error {
		err := c.server.mayWrite(&c.client.Grant, f)
		if err == nil {
			err = c.takeItem()
		}
		return err
	}, func(e *backend.Expect) error {
		err := c.client.Grant.MayWrite(e.Store)
		if err == nil {
			err = c.takeItem()
		}
		return err
	})
}

// takeItem counts an element of a batch.
func (c *conn) takeItem() error {
	const each = 64
	if c.items++; c.items%each != 0 {
		return nil
	}
	c.extra += each << 10
	return c.take()
}

// written answers a request to write b, whose facts are in the log.
func (c *conn) written(r *protocol.Request, b *backend.Batch, w *backend.Written) {
	acks := c.acks[:0]
	last := uint64(0)
	for i := range w.Facts {
		f := &w.Facts[i]
		isNew := w.New(f) && f.Seq > last // a batch may have the same fact twice
		last = max(last, f.Seq)
		if c.server.took(f, isNew, w); isNew {
			acks = append(acks, protocol.AckOf(f, false))
			continue
		}
		ack, err := c.duplicate(f, &b.Facts[i])
		if err != nil {
			c.fail(err, r.ID)
			return
		}
		acks = append(acks, ack)
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

// took counts a fact that a client wrote. If the log does not know which facts are new, a fact counts as new unless its seq
// was seen before.
func (s *Server) took(f *backend.Fact, isNew bool, w *backend.Written) {
	if moved := s.advance(f.Seq); isNew || w.First == 0 && moved {
		s.metrics.factsIn.Add(1)
	}
}

// duplicate returns the ack of a fact that the log already held. A client that may not read the store gets only data that
// it sent itself.
func (c *conn) duplicate(held, given *backend.Fact) (protocol.Ack, error) {
	a := protocol.DuplicateOf(held, given)
	if a.Fact == nil || c.client.Grant.MayRead(held.Store) {
		return a, nil
	}
	a.By = ""
	if !a.SameValue && !sameHash(held, given) {
		return a, backend.ErrIDReused
	}
	a.Fact, a.SameValue = nil, false
	return a, nil
}

// sameHash reports whether the values of two facts with the same ValueHash really have the same hash, since an import may
// have given a wrong ValueHash.
func sameHash(held, given *backend.Fact) bool {
	mine, err := wire.Hash(given.Value)
	theirs, heldErr := wire.Hash(held.Value)
	return err == nil && heldErr == nil && mine == theirs
}

// note records the log's last time, and whether it has room, from the verdicts of writes.
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

// discreet removes from an error the data that the client may not know: the use of an ID in other stores, and the latest
// fact of a key in a store that it may not read.
func discreet(grant *auth.Grant, err error) error {
	if errors.Is(err, backend.ErrIDReused) && !grant.ReadsAll() {
		return backend.ErrIDReused
	}
	if x, ok := errors.AsType[*backend.ConflictError](err); ok && !grant.MayRead(x.Store) {
		return &discreetError{fmt.Sprintf("%v: the latest fact of key %q in store %q is not %q, and what it is is for clients that may read the store", backend.ErrConflict, x.Key, x.Store, x.Expected),
			&backend.ConflictError{Store: x.Store, Key: x.Key, Expected: x.Expected}}
	}
	return err
}

// Withhold removes from an error the details about the log's files, unless the client may see information about all stores.
// The server logs them.
func Withhold(grant *auth.Grant, err error) error {
	if grant.MaySeeAll("") == nil {
		return err
	}
	for _, failure := range []error{backend.ErrFull, backend.ErrFailed, backend.ErrCorrupt, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, failure) {
			return fmt.Errorf("%w: the server's log says more", failure)
		}
	}
	if diverged, ok := errors.AsType[*backend.DivergedError](err); ok {
		return diverged // without the place of the log
	}
	if protocol.ErrorCode(err) == protocol.CodeInternal {
		return errInternal
	}
	return err
}

var errInternal = errors.New("server: the request failed: the server's log says why")

// A discreetError wraps an error and has another text.
type discreetError struct {
	words string
	err   error
}

func (e *discreetError) Error() string { return e.words }
func (e *discreetError) Unwrap() error { return e.err }
