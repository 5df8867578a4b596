package server

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// A stream is what a connection sends of the log: a replay or a subscription.
type stream struct {
	conn   *conn
	asked  []string // stores that the request names; nil: all
	stores []string // stores that are sent; nil: all
	after  uint64
	live   bool      // it is a subscription
	sent   time.Time // when something was sent last
	facts  []backend.Fact
	buf    []byte
}

// newStream reads what a request wants to be sent.
func (c *conn) newStream(r *protocol.Request) (*stream, error) {
	x := &stream{conn: c}
	var err error
	if x.asked, err = r.Stores(); err != nil {
		if c.version > 1 {
			return nil, err
		}
		x.asked = nil // no array: all
	}
	if len(x.asked) == 0 {
		x.asked = nil
	}
	if c.version > 1 {
		if x.after, err = r.After(); err != nil {
			return nil, err
		}
	}
	x.stores, err = c.client.Grant.Readable(x.asked)
	return x, err
}

// replay sends the log, and ends.
func (c *conn) replay(r *protocol.Request) error {
	x, err := c.newStream(r)
	if err != nil {
		return err
	}
	last, err := c.server.head(c.server.ctx)
	if err != nil {
		return err
	}
	if c.version == 1 {
		return x.replayV1(last, r.ID)
	}
	c.answer(func(dst []byte) []byte { return protocol.AppendStream(dst, last, r.ID) })
	c.answered()
	if !c.flush() {
		c.ending = true
		return nil
	}
	sent := x.after
	for run, err := range c.server.frames.Frames(c.server.ctx, x.after) {
		if err != nil {
			c.ending = true // what was sent is not the whole of it
			return err
		}
		if run.Facts == 0 {
			break
		}
		if err := x.refresh(); err != nil {
			c.ending = true
			return err
		}
		if !x.send(run) {
			c.ending = true
			return nil
		}
		if sent = run.Last; sent >= last {
			break
		}
		if c.isDrained() {
			c.ending = true
			return errDraining
		}
	}
	c.answer(func(dst []byte) []byte { return protocol.AppendEnd(dst, max(sent, last)) })
	return nil
}

// replayV1 answers with the whole log in one frame.
func (x *stream) replayV1(last uint64, id []byte) error {
	c := x.conn
	var facts []backend.Fact
	size := 0
	for run, err := range c.server.frames.Frames(c.server.ctx, 0) {
		if err != nil {
			return err
		}
		for rest := run.Frames; len(rest) > 0; {
			var body []byte
			body, rest, _ = wire.CutFrame(rest)
			n := len(facts)
			if facts, err = wire.ParseGroup(facts, body); err != nil {
				return err
			}
			facts = append(facts[:n], x.passing(facts[n:])...)
			if len(facts) > n {
				size += len(body)
			}
			if size > c.server.opts.MaxFrame {
				return errNoReplay
			}
		}
		if run.Facts == 0 || run.Last >= last {
			break
		}
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

// passing returns those of the facts that are sent, in the same memory.
func (x *stream) passing(facts []backend.Fact) []backend.Fact {
	if x.stores == nil {
		return facts
	}
	kept := facts[:0]
	for _, f := range facts {
		if slices.Contains(x.stores, f.Store) {
			kept = append(kept, f)
		}
	}
	return kept
}

// send sends a run, as it is if nothing must be left out, and reports whether the stream goes on.
func (x *stream) send(run wire.Run) bool {
	frames, facts := run.Frames, run.Facts
	if x.stores != nil || x.conn.version == 1 {
		var err error
		if frames, facts, err = x.encode(frames); err != nil {
			x.conn.begin()
			x.conn.fail(err, nil)
			x.conn.flush()
			return false
		}
	}
	if len(frames) == 0 {
		return true
	}
	x.sent = time.Now()
	x.conn.server.metrics.factsOut.Add(uint64(facts))
	if x.live {
		x.conn.server.metrics.pushed.Add(uint64(facts))
	}
	return x.conn.send(frames)
}

// encode returns the frames to send for those of the log, which are good until it is called again, and how
// many facts they have.
func (x *stream) encode(frames []byte) (out []byte, count int, err error) {
	x.buf = x.buf[:0]
	for rest := frames; len(rest) > 0; {
		var body []byte
		body, rest, _ = wire.CutFrame(rest)
		if x.facts, err = wire.ParseGroup(x.facts[:0], body); err != nil {
			return nil, 0, err
		}
		all := len(x.facts)
		kept := x.passing(x.facts)
		switch {
		case len(kept) == 0:
		case x.conn.version == 1:
			for i := range kept {
				start := len(x.buf)
				x.buf = wire.CloseFrame(protocol.AppendEventV1(wire.OpenFrame(x.buf), &kept[i]), start)
			}
		case len(kept) == all:
			x.buf = wire.AppendFrame(x.buf, body)
		default:
			start := len(x.buf)
			x.buf = wire.CloseFrame(wire.AppendGroup(wire.OpenFrame(x.buf), kept), start)
		}
		count += len(kept)
	}
	clear(x.facts)
	if out = x.buf; cap(x.buf) > 2*wire.RunSize {
		x.buf = nil
	}
	return out, count, nil
}

// subscribe sends the log and what comes to it, until the client or the server ends that. In version 1
// it sends what comes from now on. Nothing else is asked of the connection then.
func (c *conn) subscribe(r *protocol.Request) error {
	x, err := c.newStream(r)
	if err != nil {
		return err
	}
	if e, ok := c.server.frames.(encoder); ok {
		if err := e.canFollow(); err != nil {
			return err
		}
	}
	last, err := c.server.head(c.server.ctx)
	if err != nil {
		return err
	}
	if c.version == 1 {
		x.after = last
		c.answer(func(dst []byte) []byte { return protocol.AppendOK(dst, nil) })
	} else {
		c.answer(func(dst []byte) []byte { return protocol.AppendSubscribed(dst, last, r.ID) })
	}
	c.answered()
	c.ending = true
	c.cursor.Store(x.after + 1)
	defer c.cursor.Store(0)
	ok := c.flush()
	c.rest() // a subscription may last
	defer c.begin()
	if !ok {
		return nil
	}
	gone := make(chan struct{})
	var end error
	go func() {
		defer close(gone)
		end = c.awaitEnd()
	}()
	err = x.follow(gone)
	c.drain() // ends awaitEnd
	<-gone
	if end == errTooSlow {
		end = c.tooSlow(end)
	}
	if err = cmp.Or(err, end); err != nil && c.version == 1 {
		c.server.Failed(err)
		return nil // version 1 has no way to say it
	}
	return err
}

var errTooSlow = errors.New("the rest of a frame did not come in time")

// awaitEnd waits until the client hangs up or says close, which is nil, or sends anything else.
func (c *conn) awaitEnd() error {
	body, err := c.in.Next()
	var corrupt *backend.CorruptError
	switch {
	case err == nil:
		if r := protocol.ParseRequest(body); r.Op == protocol.OpClose {
			return nil
		}
		return &protocol.RequestError{Err: &backend.InvalidError{Field: "op", Reason: "a subscription takes no requests but close: use another connection"}}
	case errors.As(err, &corrupt):
		return &protocol.RequestError{Err: &backend.InvalidError{Field: "frame", Reason: corrupt.Reason}}
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.isDrained():
		return errTooSlow
	case c.server.isDraining():
		return errDraining // follow may learn of it from here first
	}
	return nil
}

// follow sends the log as it grows until gone is closed, or until it can't go on, and then says why.
func (x *stream) follow(gone <-chan struct{}) error {
	c := x.conn
	every := c.server.opts.Heartbeat
	idle := time.NewTimer(every)
	defer idle.Stop()
	x.live, x.sent = true, time.Now()
	for run, err := range c.server.frames.Frames(c.server.ctx, x.after) {
		switch {
		case err != nil && c.server.ctx.Err() != nil:
			return nil // cut off
		case err != nil:
			return err
		}
		select { // also where there is always more
		case <-gone:
			return nil
		case <-c.server.draining:
			return errDraining
		default:
		}
		if err := x.refresh(); err != nil {
			return err
		}
		if run.Facts > 0 && !x.send(run) {
			return nil
		}
		c.cursor.Store(run.Last + 1)
		if time.Since(x.sent) >= every {
			x.sent = time.Now()
			if c.version > 1 && !c.send(wire.CloseFrame(protocol.AppendHeartbeat(wire.OpenFrame(nil), run.Last), 0)) {
				return nil
			}
		}
		if run.Facts > 0 {
			continue
		}
		idle.Reset(time.Until(x.sent.Add(every)))
		select {
		case <-run.Changed:
		case <-idle.C:
		case <-gone:
			return nil
		case <-c.server.draining:
			return errDraining
		}
	}
	return nil
}

// refresh looks up what the client may read if the tokens were reloaded.
func (x *stream) refresh() (err error) {
	client := &x.conn.client
	if !client.Refresh() {
		return nil
	}
	if client.Err != nil {
		return client.Err
	}
	x.stores, err = client.Grant.Readable(x.asked)
	return err
}
