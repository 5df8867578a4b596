// SPDX-License-Identifier: Apache-2.0

package web

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// MaxConnections is the default limit for the connections of a server of [NewServer]. A further connection replaces the one
// that has been idle longest, so that idle connections, and connections that send no request, keep no client out. If
// requests are being answered on all connections, the further one is closed.
const MaxConnections = 1024

// connections are the connections of an http.Server.
type connections struct {
	max int

	mu    sync.Mutex
	all   map[net.Conn]*connection
	quiet list.List // of *connection on which no request is being answered, the longest idle first
}

type connection struct {
	net.Conn
	requests int           // the number of requests being answered
	place    *list.Element // in quiet; nil: not in quiet
}

type connectionKey struct{}

// limit limits the connections of a server. It replaces the server's handler and hooks.
func (c *connections) limit(s *http.Server) {
	c.all = map[net.Conn]*connection{}
	next := s.Handler
	s.ConnState = c.changed
	s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		c.mu.Lock()
		defer c.mu.Unlock()
		x := &connection{Conn: nc}
		c.all[nc] = x // before changed is called for it
		return context.WithValue(ctx, connectionKey{}, x)
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, _ := r.Context().Value(connectionKey{}).(*connection)
		c.begin(x)
		defer c.end(x)
		next.ServeHTTP(w, r)
	})
}

// changed is called with the state of each connection.
func (c *connections) changed(nc net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		x := c.all[nc]
		x.place = c.quiet.PushBack(x)
		if len(c.all) > c.max {
			c.quiet.Remove(c.quiet.Front()).(*connection).cut()
		}
	case http.StateClosed, http.StateHijacked:
		if x := c.all[nc]; x != nil && x.place != nil {
			c.quiet.Remove(x.place)
		}
		delete(c.all, nc)
	}
}

// cut closes a connection that was removed from the quiet ones.
func (x *connection) cut() {
	x.place = nil
	nc := x.Conn
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn() // without TLS's closing alert, which may take long
	}
	_ = nc.Close()
}

func (c *connections) begin(x *connection) {
	if x == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.requests++; x.place != nil {
		c.quiet.Remove(x.place)
		x.place = nil
	}
}

func (c *connections) end(x *connection) {
	if x == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.requests--; x.requests == 0 && c.all[x.Conn] == x {
		x.place = c.quiet.PushBack(x)
	}
}
