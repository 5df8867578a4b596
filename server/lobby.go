// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"net"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/igniter-store/igniter/backend"
)

// A lobby holds the connections whose clients are not authenticated yet: they have shown neither a token nor a certificate
// that the server knows. If the server requires neither, every client is admitted at once, and the lobby stays empty.
//
// A connection may stay for [Options.HelloTimeout]. It may send only hello and close, in frames of up to maxHello bytes. If
// the lobby is full, the server closes the oldest connection from the address that has most of them. So a client that sends
// hello at once is admitted, however many other connections are silent.
type lobby struct {
	waiting []*conn        // in the order of arrival; guarded by Server.mu, like all fields
	from    map[string]int // the number of them from each address
}

// maxHello limits the bytes of a frame from a client that is not authenticated.
const maxHello = 16 << 10

// add adds a connection, and returns the connection that must make room for it; nil if none exists.
func (l *lobby) add(c *conn, most, mostEach int) (out *conn) {
	if l.from == nil {
		l.from = map[string]int{}
	}
	l.waiting = append(l.waiting, c)
	l.from[c.host]++
	fullest := c.host
	switch {
	case l.from[c.host] > mostEach:
	case len(l.waiting) > most:
		for host, n := range l.from {
			if n > l.from[fullest] {
				fullest = host
			}
		}
	default:
		return nil
	}
	out = l.waiting[slices.IndexFunc(l.waiting, func(w *conn) bool { return w.host == fullest })]
	l.remove(out)
	return out
}

// remove removes a connection from the lobby, and reports whether it was there.
func (l *lobby) remove(c *conn) bool {
	i := slices.Index(l.waiting, c)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	if l.from[c.host]--; l.from[c.host] == 0 {
		delete(l.from, c.host)
	}
	return true
}

// hostOf returns the part of an address that is the same for all clients of one machine.
func hostOf(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return a.Network()
}

// letIn takes a connection out of the lobby after its client has authenticated itself. The error says that the server has
// no room.
func (c *conn) letIn() error {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.admitted && s.admitted >= s.opts.MaxConnections {
		s.metrics.rejected.Add(1)
		return s.errFull()
	}
	if err := c.join(); err != nil {
		return err
	}
	if !c.admitted {
		if !s.lobby.remove(c) {
			return fmt.Errorf("%w: the connection had to make room for another one", backend.ErrUnavailable)
		}
		s.admitted++
		c.admitted = true
	}
	c.in.SetLimit(s.opts.MaxFrame)
	return nil
}

func (s *Server) errFull() error {
	return fmt.Errorf("%w: the server has its %d connections: try again later", backend.ErrUnavailable, s.opts.MaxConnections)
}

// newSampled returns a logger that logs ten lines per minute of each message, and every thousandth line after that. It is
// for messages that any client of the network can cause.
func newSampled(l *zap.Logger) *zap.Logger {
	return l.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 10, 1000)
	}))
}
