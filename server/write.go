package server

import (
	"bytes"
	"errors"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
)

// writeFacts answers requests to write a fact, together where that goes: several facts are one write, as
// in a log's group commit. What is wrong with one of them is no concern of the others.
func (c *conn) writeFacts(requests []protocol.Request) {
	for len(requests) > 0 {
		n := c.takeFacts(requests)
		before := c.server.last.Load()
		if held, ok := c.writeTogether(c.facts[:n]); ok {
			for i := range held {
				c.written(&requests[i], &c.facts[i], &held[i], before)
				before = max(before, held[i].Seq)
			}
		} else {
			for i := range n {
				before = max(before, c.writeOne(&requests[i], before))
			}
		}
		requests = requests[n:]
	}
	clear(c.facts)
}

// takeFacts parses the facts of some requests into c.facts, those of a group at most, and returns of how
// many. A fact that can't be written is the zero Fact, which no backend takes.
func (c *conn) takeFacts(requests []protocol.Request) int {
	c.facts = c.facts[:0]
	size := 0
	for i := range requests {
		f, err := requests[i].Fact()
		if err != nil || c.client.Err != nil || c.client.Grant.MayWrite(f.Store) != nil {
			f = backend.Fact{}
		}
		c.facts = append(c.facts, f)
		if size += len(f.Value) + len(f.Producer) + len(f.Derivation) + factOverhead; size >= groupSize {
			break
		}
	}
	return len(c.facts)
}

// factOverhead is what a fact takes beside its values, about.
const factOverhead = 256

// writeTogether writes facts as one, and reports whether they are written. If not, none of them or, after
// a failure, all of them may be.
func (c *conn) writeTogether(facts []backend.Fact) ([]backend.Fact, bool) {
	if len(facts) < 2 {
		return nil, false
	}
	for i := range facts {
		if facts[i].ID == "" {
			return nil, false
		}
	}
	held, err := backend.WriteBatch(c.server.ctx, c.server.b, backend.Batch{Facts: facts})
	return held, err == nil
}

// writeOne writes the fact of a request by itself, and returns its seq; 0: it is not written. Where it was
// written together with others before, it is found.
func (c *conn) writeOne(r *protocol.Request, before uint64) uint64 {
	f, err := r.Fact()
	if err == nil {
		err = c.client.Err
	}
	if err == nil {
		err = c.client.Grant.MayWrite(f.Store)
	}
	var held backend.Fact
	if err == nil {
		held, err = c.server.b.WriteFact(c.server.ctx, f)
	}
	if err != nil {
		c.fail(c.discreet(err), r.ID)
		return 0
	}
	c.written(r, &f, &held, before)
	return held.Seq
}

// written answers a request whose fact is written. before is the last seq that the log had at least, before
// that.
func (c *conn) written(r *protocol.Request, f, held *backend.Fact, before uint64) {
	c.server.advance(held.Seq)
	duplicate := held.Seq <= before || !sameContent(f, held)
	if !duplicate {
		c.server.metrics.factsIn.Add(1)
	}
	c.answer(func(dst []byte) []byte {
		if c.version == 1 {
			return protocol.AppendOK(dst, r.ID)
		}
		return protocol.AppendWritten(dst, protocol.AckOf(held, duplicate), r.ID)
	})
}

// sameContent reports whether the log holds a fact as it was written now, and not as somebody wrote it
// before, in what a client can't know.
func sameContent(f, held *backend.Fact) bool {
	return bytes.Equal(f.Value, held.Value) && f.ValidTime.Equal(held.ValidTime) && max(f.SchemaVersion, 1) == held.SchemaVersion &&
		bytes.Equal(f.Producer, held.Producer) && bytes.Equal(f.Derivation, held.Derivation) && (f.ValueHash == "" || f.ValueHash == held.ValueHash)
}

// discreet returns an error without what its client may not know: of an ID that names a fact elsewhere,
// where that is.
func (c *conn) discreet(err error) error {
	if errors.Is(err, backend.ErrIDReused) {
		if stores, _ := c.client.Grant.Readable(nil); stores != nil {
			return backend.ErrIDReused
		}
	}
	return err
}

func (c *conn) writeBatch(r *protocol.Request) error {
	b, err := r.Batch()
	if err != nil {
		return err
	}
	for i := range b.Facts {
		if err := c.client.Grant.MayWrite(b.Facts[i].Store); err != nil {
			return err
		}
	}
	for i := range b.Expect {
		if err := c.client.Grant.MayWrite(b.Expect[i].Store); err != nil {
			return err
		}
	}
	before := c.server.last.Load()
	held, err := backend.WriteBatch(c.server.ctx, c.server.b, b)
	if err != nil {
		return c.discreet(err)
	}
	places := make([]protocol.Ack, len(held))
	for i := range held {
		c.server.advance(held[i].Seq)
		duplicate := held[i].Seq <= before || !sameContent(&b.Facts[i], &held[i])
		if !duplicate {
			c.server.metrics.factsIn.Add(1)
		}
		before = max(before, held[i].Seq)
		places[i] = protocol.AckOf(&held[i], duplicate)
	}
	c.answer(func(dst []byte) []byte { return protocol.AppendWrittenBatch(dst, places, r.ID) })
	return nil
}
