// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/internal/protocol"
)

// An op handles requests of one kind. Its handle appends the answer, or returns the error of a failed request.
type op struct {
	handle func(c *conn, r *protocol.Request) error
	open   bool // also for clients that are not authenticated
	since  int  // the version of the protocol that introduced it
}

// ops are all ops. Writes have no handle: conn.write handles several at once.
var ops map[string]op

func init() {
	ops = map[string]op{
		protocol.OpHello:         {(*conn).hello, true, 1},
		protocol.OpPing:          {(*conn).ping, true, 1},
		protocol.OpClose:         {(*conn).close, true, 1},
		protocol.OpWriteFact:     {nil, false, 1},
		protocol.OpReplay:        {(*conn).replay, false, 1},
		protocol.OpSubscribe:     {(*conn).subscribe, false, 1},
		protocol.OpWriteSnapshot: {(*conn).snapshot, false, 1},
		protocol.OpStats:         {(*conn).stats, false, 1},
		protocol.OpServerStatus:  {(*conn).status, false, 1},
		protocol.OpWriteBatch:    {nil, false, 2},
		protocol.OpPrune:         {(*conn).prune, false, 2},
		protocol.OpNoteBackup:    {(*conn).noteBackup, false, 2},
	}
}

// handle answers requests in their order. Consecutive writes of one kind are one call of the log.
func (c *conn) handle(requests []protocol.Request) {
	c.client.Refresh()
	for len(requests) > 0 && !c.ending {
		n := 1
		if o, known := ops[requests[0].Op]; known && o.handle == nil && o.since <= c.version {
			for n < len(requests) && requests[n].Op == requests[0].Op {
				n++
			}
			c.timed(requests[0].Op, n, func() { c.write(requests[:n]) })
		} else {
			r := requests[0] // a copy: a subscription outlives the connection's work
			c.timed(r.Op, 1, func() { c.one(&r) })
		}
		requests = requests[n:]
		if len(c.out) > maxKept && !c.flush() {
			c.ending = true
		}
	}
}

// refuseAll answers requests that can't be handled now.
func (c *conn) refuseAll(requests []protocol.Request, why error) {
	for i := range requests {
		c.fail(why, requests[i].ID)
	}
}

// A timing has the data to count the requests that are being handled.
type timing struct {
	op    string
	n     int // the number of requests; 0: they are already counted
	start time.Time
}

// timed counts n requests that handle handles together.
func (c *conn) timed(name string, n int, handle func()) {
	c.timing = timing{name, n, time.Now()}
	handle()
	c.answered()
}

// answered counts the requests that are being handled. A second call for the same requests does nothing; a stream is
// counted when it begins.
func (c *conn) answered() {
	t := c.timing
	if t.n == 0 {
		return
	}
	c.timing.n = 0
	m := c.server.metrics.of(t.op)
	m.requests.Add(uint64(t.n))
	took := time.Since(t.start)
	slow := took > c.server.opts.SlowOp
	m.took(took, t.n, slow)
	if slow {
		c.server.logger.Warn("a request was slow", zap.String("op", t.op), zap.Duration("took", took), zap.Stringer("client", c.nc.RemoteAddr()))
	}
}

// one answers a request that is not a write.
func (c *conn) one(r *protocol.Request) {
	o, known := ops[r.Op]
	var err error
	switch {
	case r.Err != nil:
		err = r.Err
	case c.client.Err != nil && !o.open:
		err = c.client.Err
	case !known || o.since > c.version:
		c.server.metrics.failed("unknown_op", c.nc.RemoteAddr().String(), nil)
		c.answer(func(dst []byte) []byte { return protocol.AppendUnknownOp(dst, r.Op, r.ID) })
		return
	default:
		err = o.handle(c, r)
	}
	if err != nil {
		if _, isRequest := errors.AsType[*protocol.RequestError](err); !isRequest {
			err = &protocol.RequestError{Err: err}
		}
		c.fail(err, r.ID)
	}
}

func (c *conn) ping(r *protocol.Request) error {
	if !c.admitted {
		return c.client.Err
	}
	c.answer(func(dst []byte) []byte {
		return protocol.CloseAnswer(append(protocol.OpenAnswer(dst), `,"pong":true`...), r.ID)
	})
	return nil
}

func (c *conn) close(r *protocol.Request) error {
	c.ending = true
	c.answer(func(dst []byte) []byte { return protocol.AppendOK(dst, r.ID) })
	return nil
}
