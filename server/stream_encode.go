// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"iter"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// encoded yields pages as frames, which are valid until the next step. encode appends the frames of a page's facts, and
// returns the number of facts in them.
func encoded(pages iter.Seq2[backend.Page, error], encode func(dst []byte, facts []backend.Fact) ([]byte, int, error)) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		var buf []byte
		for p, err := range pages {
			frames := wire.Frames{Through: p.Through, Horizons: p.Horizons}
			if err == nil && len(p.Facts) > 0 {
				buf, frames.Facts, err = encode(buf[:0], p.Facts)
				frames.Bytes = buf
			}
			if err != nil {
				yield(wire.Frames{}, err)
				return
			}
			if !yield(frames, nil) {
				return
			}
			if cap(buf) > 2*backend.PageSize {
				buf = nil
			}
		}
	}
}

// appendGroup appends facts as one frame, since a page does not tell where its batches end.
func appendGroup(dst []byte, facts []backend.Fact) ([]byte, int, error) {
	start := len(dst)
	dst = wire.CloseFrame(wire.AppendGroup(wire.OpenFrame(dst), facts), start)
	if n := len(dst) - start - wire.FrameOverhead; n > wire.MaxMaxFrame {
		return dst, 0, fmt.Errorf("%w: the facts from seq %d through %d take %d bytes, which no frame holds",
			backend.ErrTooLarge, facts[0].Seq, facts[len(facts)-1].Seq, n)
	}
	return dst, len(facts), nil
}

// appendEvents appends version 1's events for the facts that the client reads.
func (x *stream) appendEvents(dst []byte, facts []backend.Fact) ([]byte, int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	err := x.refresh()
	readable := backend.Range{Stores: x.reading.Stores}
	for i := range facts {
		if readable.Has(facts[i].Store) {
			start := len(dst)
			dst = wire.CloseFrame(protocol.AppendEventV1(wire.OpenFrame(dst), &facts[i]), start)
			n++
		}
	}
	return dst, n, err
}

// minFactV1 is the least number of bytes of a fact in version 1 beside its texts and values.
const minFactV1 = 150

// replayV1 answers with all facts of some stores, in one frame.
func (c *conn) replayV1(stores []string, id []byte) error {
	var facts []backend.Fact
	size := 0
	for page, err := range c.server.log.Replay(c.reading(c.server.ctx), backend.Range{Stores: stores}) {
		if err != nil {
			return err
		}
		for i := range page.Facts {
			f := &page.Facts[i]
			size += minFactV1 + len(f.ID) + len(f.Store) + len(f.Key) + len(f.Value) + len(f.Producer) + len(f.Derivation)
		}
		if size > c.server.opts.MaxFrame {
			return errNoReplay
		}
		c.extra = 3 * size
		if err := c.take(); err != nil {
			return err
		}
		facts = append(facts, page.Facts...)
	}
	start := len(c.out)
	c.answer(func(dst []byte) []byte { return protocol.AppendFactsV1(dst, facts, id) })
	if len(c.out)-start > c.server.opts.MaxFrame+wire.FrameOverhead {
		c.out = c.out[:start]
		return errNoReplay
	}
	c.server.metrics.factsOut.Add(uint64(len(facts)))
	return nil
}

var errNoReplay = fmt.Errorf("%w: the log is larger than a frame of version 1: say hello and use version 2", backend.ErrTooLarge)
