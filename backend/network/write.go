package network

import (
	"context"
	"fmt"
	"slices"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/sequencer"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// WriteFact implements backend.Backend. The fact is sent again until the server answers, or ctx ends.
func (c *Client) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	held, err := c.writeFact(ctx, f)
	if err != nil {
		return backend.Fact{}, fmt.Errorf("network: write fact %q: %w", f.ID, err)
	}
	return held, nil
}

func (c *Client) writeFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	if err := c.checkSize(&f); err != nil {
		return f, err
	}
	if err := f.Validate(); err != nil {
		return f, err
	}
	f, err := sequencer.Normalize(f)
	if err != nil {
		return f, err
	}
	if c.speaksV1() {
		return c.writeFactV1(ctx, f)
	}
	cl := calls.Get().(*call)
	cl.frame = wire.CloseFrame(protocol.AppendWriteFact(wire.OpenFrame(cl.frame[:0]), &f), 0)
	body, err := c.do(ctx, cl)
	if err != nil {
		return f, err // the call may still be waiting
	}
	place, err := protocol.ParseWritten(body)
	cl.release()
	if err != nil {
		return f, err
	}
	return own(place.In(f)), nil
}

// own returns a fact whose texts do not keep a block of answers in memory.
func own(f backend.Fact) backend.Fact {
	f.Causation = string([]byte(f.Causation))
	return f
}

// checkSize refuses a fact that can't fit a frame, before anything is done with it.
func (c *Client) checkSize(f *backend.Fact) error {
	c.mu.Lock()
	limit := c.welcome.MaxFrame
	c.mu.Unlock()
	if sequencer.Size(f) > limit {
		return fmt.Errorf("%w: the server's limit is a frame of %d bytes", backend.ErrTooLarge, limit)
	}
	return nil
}

// speaksV1 reports whether the server speaks version 1.
func (c *Client) speaksV1() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Protocol == 1
}

// WriteBatch implements backend.BatchWriter. What WriteFact says of ctx holds here too. The request must fit
// the server's limit of a frame, also where the log holds some of the facts already. A server of version 1
// has no batches: errors.ErrUnsupported.
func (c *Client) WriteBatch(ctx context.Context, b backend.Batch) ([]backend.Fact, error) {
	held, err := c.writeBatch(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("network: write batch of %d facts: %w", len(b.Facts), err)
	}
	return held, nil
}

func (c *Client) writeBatch(ctx context.Context, b backend.Batch) ([]backend.Fact, error) {
	if c.speaksV1() {
		return nil, errV1
	}
	for i := range b.Facts {
		if err := c.checkSize(&b.Facts[i]); err != nil {
			return nil, err
		}
	}
	if err := b.Validate(); err != nil {
		return nil, err
	}
	b.Facts = slices.Clone(b.Facts)
	for i := range b.Facts {
		var err error
		if b.Facts[i], err = sequencer.Normalize(b.Facts[i]); err != nil {
			return nil, err
		}
	}
	cl := calls.Get().(*call)
	cl.frame = wire.CloseFrame(protocol.AppendWriteBatch(wire.OpenFrame(cl.frame[:0]), &b), 0)
	body, err := c.do(ctx, cl)
	if err != nil {
		return nil, err
	}
	places, err := protocol.ParseWrittenBatch(body, len(b.Facts))
	cl.release()
	if err != nil {
		return nil, err
	}
	for i := range places {
		b.Facts[i] = own(places[i].In(b.Facts[i]))
	}
	return b.Facts, nil
}
