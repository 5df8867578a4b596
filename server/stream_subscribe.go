// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// A subscription is a stream that goes on at the log's end.
type subscription struct {
	*stream
	cancel context.CancelCauseFunc // ends the stream, with why
	beats  *time.Timer             // calls beat; nil: the stream has not begun
	ended  bool                    // guarded by mu
	gone   chan struct{}           // closed when awaitEnd has returned
	buf    []byte                  // of heartbeats
}

var (
	errOver    = errors.New("server: the stream is over") // nothing more is sent to the client
	errTooSlow = errors.New("server: the rest of a frame did not come in time")
)

// subscribe sends a part of the log, and new facts, until the client or the server ends the subscription. In version 1 it
// sends only new facts. The connection takes no requests meanwhile, and ends with the subscription.
func (c *conn) subscribe(r *protocol.Request) error {
	x, err := c.newStream(r)
	if err != nil {
		return err
	}
	defer x.closed()
	defer func() { _ = c.hold(&c.large, 0) }() // using less never fails
	if c.version == 1 {
		if x.left.After.Seq, err = c.server.head(c.server.ctx); err != nil {
			return err
		}
	}
	ctx, cancel := c.server.Serving(c.server.ctx)
	defer cancel(nil)
	x.live = &subscription{stream: x, cancel: cancel}
	c.follow.Store(&Subscription{Token: c.client.Grant.Name(), Peer: c.nc.RemoteAddr().String(), Stores: x.reading.Stores, Since: time.Now().UTC()})
	err = x.follow(ctx)
	x.live.end()
	c.cursor.Store(0)
	if err == errTooSlow {
		err = c.tooSlow(err)
	}
	if err = x.end(err); err != nil && x.begun && c.version == 1 {
		c.server.Failed(err)
		return nil // version 1 has no message for it
	}
	return err
}

// follow sends the rest of the stream, and returns why it ended.
func (x *stream) follow(ctx context.Context) error {
	for page, err := range x.pages(ctx) {
		if err == nil {
			err = x.push(page)
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if err != nil {
			return err
		}
	}
	x.complete()
	return errOver
}

// begin starts a goroutine that waits for the client's end, and a timer for heartbeats.
func (x *subscription) begin() {
	c := x.conn
	c.rest() // a subscription may last long
	c.in.Shrink()
	c.size, c.together, c.extra = 0, 0, 0
	x.gone = make(chan struct{})
	go func() {
		defer close(x.gone)
		x.cancel(c.awaitEnd())
	}()
	x.beats = time.AfterFunc(c.server.opts.Heartbeat, x.beat)
}

// end ends the goroutine and the timer that begin started.
func (x *subscription) end() {
	if x.beats == nil {
		return
	}
	x.mu.Lock()
	x.ended = true
	x.mu.Unlock()
	x.beats.Stop()
	x.conn.drain() // ends awaitEnd
	<-x.gone
	x.conn.begin()
}

// awaitEnd waits until the client closes the connection or sends close or anything else, and returns why the stream ends.
func (c *conn) awaitEnd() error {
	body, err := c.in.Next()
	var corrupt *backend.CorruptError
	switch {
	case err == nil:
		if r := protocol.ParseRequest(body); r.Op == protocol.OpClose {
			return errOver
		}
		return &protocol.RequestError{Err: &backend.InvalidError{Field: "op", Reason: "a subscription takes no requests but close: use another connection"}}
	case errors.As(err, &corrupt):
		return &protocol.RequestError{Err: &backend.InvalidError{Field: "frame", Reason: corrupt.Reason}}
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.isDrained():
		return errTooSlow
	case c.server.isDraining():
		return errDraining // Serving may report this later
	}
	return errOver
}

// beat sends a heartbeat if nothing was sent for a while, and ends the stream if the client may not read on.
func (x *subscription) beat() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return
	}
	every := x.conn.server.opts.Heartbeat
	err := x.refresh()
	if err == nil && time.Since(x.sent) >= every {
		err = x.heartbeat()
	}
	if err != nil {
		x.cancel(err)
		return
	}
	x.beats.Reset(time.Until(x.sent.Add(every)))
}

// progressDelay is how long a heartbeat about progress is delayed while no facts are sent, unless the stream has reached
// the log's end. Without the delay, each page would cause a heartbeat.
const progressDelay = 50 * time.Millisecond

// owesProgress reports whether a heartbeat about progress is due, because the sent facts do not show how far the log was
// read.
func (x *stream) owesProgress() bool {
	seq := x.left.After.Seq
	return seq > x.shown && (seq >= x.conn.server.last.Load() || time.Since(x.sent) >= progressDelay)
}

// heartbeat tells the client how far the log was read. Version 1 has no message for it.
func (x *stream) heartbeat() error {
	x.sent, x.shown = time.Now(), x.left.After.Seq
	if x.conn.version == 1 {
		return nil
	}
	live := x.live
	live.buf = wire.CloseFrame(protocol.AppendHeartbeat(wire.OpenFrame(live.buf[:0]), x.shown, nil), 0)
	if !x.conn.send(live.buf) {
		return errOver
	}
	return nil
}
