// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// fail appends the answer to a request that failed.
func (c *conn) fail(err error, id []byte) {
	c.server.failed(c.nc.RemoteAddr().String(), err)
	err = Withhold(&c.client.Grant, err)
	c.answer(func(dst []byte) []byte { return protocol.AppendError(dst, err, id) })
}

// answer appends a frame, whose body appendBody appends.
func (c *conn) answer(appendBody func(dst []byte) []byte) {
	start := len(c.out)
	c.out = wire.CloseFrame(appendBody(wire.OpenFrame(c.out)), start)
}

// flush sends the appended frames, and reports whether the connection goes on.
func (c *conn) flush() bool {
	n := 0
	if len(c.out) > maxKept { // an answer that is longer than its request
		n = len(c.out)
		c.extra += n
		if err := c.take(); err != nil {
			c.log("a client's answers take too much memory", err)
			return false
		}
	}
	ok := c.send(c.out)
	c.extra -= n
	c.out = c.out[:0]
	return ok
}

// maxKept limits the size of a buffer that is kept for other answers.
const maxKept = 64 << 10

// send sends frames, and reports whether the connection goes on. It cuts off a client that does not read them in time.
func (c *conn) send(frames []byte) bool {
	if len(frames) == 0 {
		return true
	}
	err := c.nc.SetWriteDeadline(time.Now().Add(c.server.opts.WriteTimeout))
	if err == nil {
		var n int
		n, err = c.nc.Write(frames)
		c.server.metrics.bytesOut.Add(uint64(n))
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.server.metrics.cutOff.Add(1)
		c.server.logger.Warn("a client was cut off, since it does not read what is sent to it",
			zap.Stringer("client", c.nc.RemoteAddr()), zap.String("token", c.client.Grant.Name()), zap.Duration("timeout", c.server.opts.WriteTimeout))
	case !errors.Is(err, net.ErrClosed):
		c.log("a connection was lost", err)
	}
	return false
}

// Limits of linger.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// linger closes the sending side and reads on for a moment. If a TCP connection is closed while it holds unread bytes, the
// client may lose the last answers.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.mu.Lock()
	err := c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	c.mu.Unlock()
	if err == nil {
		_, _ = io.CopyN(io.Discard, c.nc, lingerBytes)
	}
}
