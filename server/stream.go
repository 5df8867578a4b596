// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

// A stream is a part of the log that a connection sends: a replay or a subscription. Package internal/protocol describes
// its frames.
type stream struct {
	conn   *conn
	id     []byte        // of the request
	live   *subscription // nil: it is a replay
	closed func()        // ends the counting of the stream

	mu      sync.Mutex // held to send, and to check the client's access; guards the fields below it
	reading auth.Reading
	changed error         // why the client's access ended the stream; nil: it did not
	left    backend.Range // the part that is still to be sent
	begun   bool          // the answer was sent
	shown   uint64        // the seq through which the log was read as far as the client knows
	sent    time.Time     // when something was last sent
}

// newStream returns the stream that a request asks for.
func (c *conn) newStream(r *protocol.Request) (x *stream, err error) {
	x = &stream{conn: c, id: r.ID}
	if c.version == 1 {
		if _, err := r.Range(); errors.Is(err, backend.ErrTooLarge) {
			return nil, err
		}
		x.left.Stores = r.StoresV1()
	} else if x.left, err = r.Range(); err != nil {
		return nil, err
	}
	if x.reading, err = c.client.Read(x.left.Stores); err != nil {
		return nil, err
	}
	if now := c.features().Stores; c.version > 1 && ((now == nil) != (c.told == nil) || !slices.Equal(now, c.told)) {
		return nil, fmt.Errorf("%w since the connection was made: connect again", backend.ErrAccessChanged)
	}
	if x.closed, err = c.openStream(); err != nil {
		return nil, err
	}
	x.left.Stores, x.shown = x.reading.Stores, x.left.After.Seq
	return x, nil
}

// replay sends a part of the log.
func (c *conn) replay(r *protocol.Request) error {
	x, err := c.newStream(r)
	if err != nil {
		return err
	}
	defer x.closed()
	defer func() { _ = c.hold(&c.large, 0) }() // using less never fails
	if c.version == 1 {
		return c.replayV1(x.left.Stores, r.ID)
	}
	for page, err := range x.pages(c.server.ctx) {
		if err == nil && x.begun && c.isDrained() {
			err = errDraining
		}
		if err == nil {
			err = x.push(page)
		}
		if err != nil {
			return x.end(err)
		}
	}
	x.complete()
	return nil
}

// complete ends a stream after everything was sent.
func (x *stream) complete() {
	if !x.begun { // the log yielded no page
		x.begin(x.left.After, nil)
	}
	x.conn.begin()
	x.conn.answer(func(dst []byte) []byte { return protocol.AppendEnd(dst, x.left.After.Seq) })
}

// end returns the error for the client if the stream ends with err. If the stream has begun, its end closes the connection.
func (x *stream) end(err error) error {
	x.conn.ending = x.conn.ending || x.begun
	if err == errOver || x.conn.server.ctx.Err() != nil {
		return nil
	}
	return err
}

// pages yields the rest of the stream as frames: the log's own frames if it is a Framer, or frames encoded from pages, with
// the same batches.
func (x *stream) pages(ctx context.Context) iter.Seq2[wire.Frames, error] {
	log := x.conn.server.log
	ctx = x.conn.reading(ctx)
	framer, ok := log.(wire.Framer)
	switch {
	case x.conn.version == 1:
		return encoded(log.Follow(ctx, backend.Range{After: x.left.After}), x.appendEvents)
	case !ok && x.live != nil:
		return encoded(log.Follow(ctx, x.left), appendGroup)
	case !ok:
		return encoded(log.Replay(ctx, x.left), appendGroup)
	case x.live != nil:
		return framer.FollowFrames(ctx, x.left)
	}
	return framer.ReplayFrames(ctx, x.left)
}

// push sends a page, and the answer to the request before the first one. Its error ends the stream.
func (x *stream) push(page wire.Frames) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.refresh(); err != nil {
		return err
	}
	c := x.conn
	switch {
	case !x.begun:
		if !x.begin(page.Through, page.Horizons) {
			return errOver
		}
	case page.Horizons != nil && c.version > 1:
		if !c.send(wire.CloseFrame(protocol.AppendHeartbeat(wire.OpenFrame(nil), x.shown, page.Horizons), 0)) {
			return errOver
		}
	}
	x.left.After = page.Through
	if page.Facts > 0 {
		c.server.metrics.factsOut.Add(uint64(page.Facts))
		if x.live != nil {
			c.server.metrics.pushed.Add(uint64(page.Facts))
		}
		x.sent = time.Now()
		if err := c.hold(&c.page, len(page.Bytes)-c.large); err != nil {
			return err
		}
		if !c.send(page.Bytes) {
			return errOver
		}
		_ = c.hold(&c.page, 0) // using less never fails
		x.shown = max(x.shown, lastSeq(page.Bytes))
	}
	c.server.advance(page.Through.Seq)
	if x.live == nil {
		return nil
	}
	c.cursor.Store(page.Through.Seq + 1)
	if x.owesProgress() {
		return x.heartbeat()
	}
	return nil
}

// begin answers the request.
func (x *stream) begin(through backend.Cursor, horizons map[string]backend.Horizon) bool {
	c := x.conn
	x.begun, x.sent = true, time.Now()
	c.answer(func(dst []byte) []byte {
		if c.version == 1 {
			return protocol.AppendOK(dst, nil)
		}
		return protocol.AppendStream(dst, through, horizons, x.id)
	})
	c.answered()
	if x.live != nil {
		c.cursor.Store(x.left.After.Seq + 1)
	}
	ok := c.flush()
	if ok && x.live != nil {
		x.live.begin()
	}
	return ok
}

// lastSeq returns the seq of the last fact in frames.
func lastSeq(frames []byte) uint64 {
	var body []byte
	for len(frames) > 0 {
		body, frames, _ = wire.CutFrame(frames)
	}
	_, last, _ := wire.Seqs(body)
	return last
}

// refresh returns an error if the stream must end because the client's access has changed, and again at each later call,
// since pages of the old access may still come. Version 1 has no message for a change of stores, and reads only new facts,
// so its streams go on.
func (x *stream) refresh() error {
	if x.changed != nil {
		return x.changed
	}
	err := x.reading.Refresh()
	if x.conn.version == 1 && errors.Is(err, backend.ErrAccessChanged) && !errors.Is(err, backend.ErrForbidden) {
		return nil
	}
	x.changed = err
	return err
}
