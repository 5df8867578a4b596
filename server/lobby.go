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

// A lobby holds the connections whose clients have not been let in: clients that have shown neither a token nor a
// certificate that the server knows. Where neither is asked for, everybody is let in at once, and the lobby stays empty.
//
// A connection may stay for [Options.HelloTimeout], sends frames of up to maxHello bytes, and says nothing but hello and
// close. If the lobby is full, the connection that came first of those from the fullest address makes room: a client
// that says hello at once gets in, however many connections say nothing.
type lobby struct {
	waiting []*conn        // in the order in which they came; guarded by Server.mu, like all here
	from    map[string]int // how many of them came from an address
}

// maxHello limits the frames of a client that has not been let in, in bytes.
const maxHello = 16 << 10

// add takes a connection in, and returns the one that must make room for it; nil: none must.
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

// remove reports whether the connection was in the lobby, where it is no longer.
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

// hostOf returns the part of an address that the clients of one machine have in common.
func hostOf(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return a.Network()
}

// letIn ends the time in the lobby of a connection whose client has shown who it is. The error says that the server has
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

// newSampled returns a logger that logs ten lines a minute of each message, and every thousandth after that: whoever can
// reach the server can cause them.
func newSampled(l *zap.Logger) *zap.Logger {
	return l.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 10, 1000)
	}))
}
