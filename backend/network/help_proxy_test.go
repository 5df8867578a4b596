// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// A proxy is between clients and a server, and treats their frames as its rule says. It parses frames only to classify
// them; they pass unchanged.
type proxy struct {
	l       net.Listener
	running sync.WaitGroup

	buffer int // the size of the system's buffer for bytes from clients; 0: the system's default

	mu     sync.Mutex
	target string
	rule   func(passing) action
	links  map[*link]struct{}
	count  int
	ended  bool
}

// A passing is a frame that is about to pass. Several goroutines call the rule for each frame.
type passing struct {
	link  int // the number of the connection, from 1 on
	up    bool
	n     int    // the number of the frame on the link in this direction, from 0 on
	op    string // of the request; for a frame from the server, of the answered request, or of the stream's request
	body  []byte
	frame int // the size
}

// An action is what happens to a frame. The zero action lets it pass.
type action struct {
	delay time.Duration // first, wait
	split int           // send pieces of this many bytes; 0: send it whole
	fate  fate
	keep  int // the bytes that pass before the fate

	instead []byte // the answer that the sender gets instead of passing the frame
}

type fate int

const (
	passes fate = iota
	isCut       // the connection ends, both ways
	isReset
	stalls // nothing more passes in this direction, and the connection stays open
	isDeaf // the same, and the proxy does not even read the sender's bytes
)

// A link is a connection through the proxy.
type link struct {
	proxy          *proxy
	n              int
	client, server net.Conn
	ended          chan struct{}
	once           sync.Once

	mu    sync.Mutex
	asked []string // ops without an answer yet
	last  string
}

// startProxy starts a proxy in front of a server on TCP.
func startProxy(t testing.TB, target string) *proxy { return startNarrowProxy(t, target, 0) }

// startNarrowProxy starts a proxy whose system buffers only this many unread bytes from clients; 0: the default.
func startNarrowProxy(t testing.TB, target string, buffer int) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{target: target, l: l, buffer: buffer, links: map[*link]struct{}{}}
	p.running.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

// through returns options of a client that connects through the proxy.
func (p *proxy) through(o network.Options) network.Options {
	o.Transport, o.Address = "tcp", p.l.Addr().String()
	return o
}

// rules sets what happens to frames from now on; nil: they pass.
func (p *proxy) rules(rule func(passing) action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}

// once applies an action to the first frame that meant accepts, and returns a channel that is closed then.
func (p *proxy) once(meant func(passing) bool, a action) <-chan struct{} {
	var mu sync.Mutex
	done, over := make(chan struct{}), false
	p.rules(func(f passing) action {
		mu.Lock()
		defer mu.Unlock()
		if over || !meant(f) {
			return action{}
		}
		over = true
		close(done)
		return a
	})
	return done
}

func (p *proxy) accept() {
	for {
		nc, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		if p.buffer > 0 {
			_ = nc.(*net.TCPConn).SetReadBuffer(p.buffer)
		}
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = nc.Close()
			continue
		}
		p.mu.Lock()
		if p.ended {
			p.mu.Unlock()
			_, _ = nc.Close(), server.Close()
			return
		}
		p.count++
		l := &link{proxy: p, n: p.count, client: nc, server: server, ended: make(chan struct{})}
		p.links[l] = struct{}{}
		p.running.Go(func() { l.pump(true, l.client, l.server) })
		p.running.Go(func() { l.pump(false, l.server, l.client) })
		p.mu.Unlock()
	}
}

// redirect makes the proxy connect later connections to another server.
func (p *proxy) redirect(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// cut ends all connections that there are.
func (p *proxy) cut() {
	p.mu.Lock()
	links := p.links
	p.links = map[*link]struct{}{}
	p.mu.Unlock()
	for l := range links {
		l.end(false)
	}
}

// stop ends the proxy and its connections.
func (p *proxy) stop() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	_ = p.l.Close()
	p.cut()
	p.running.Wait()
}

func (l *link) end(reset bool) {
	l.once.Do(func() {
		if reset {
			for _, nc := range []net.Conn{l.client, l.server} {
				_ = nc.(*net.TCPConn).SetLinger(0)
			}
		}
		close(l.ended)
		_, _ = l.client.Close(), l.server.Close()
		l.proxy.mu.Lock()
		defer l.proxy.mu.Unlock()
		delete(l.proxy.links, l)
	})
}

// judge asks the rule about a frame.
func (l *link) judge(up bool, n int, frame []byte) action {
	f := passing{link: l.n, up: up, n: n, body: frame[4 : len(frame)-4], frame: len(frame)}
	l.mu.Lock()
	if up {
		r := protocol.ParseRequest(f.body)
		f.op = r.Op
		l.asked = append(l.asked, f.op)
	} else {
		if len(l.asked) > 0 {
			l.last, l.asked = l.asked[0], l.asked[1:]
		}
		f.op = l.last
	}
	l.mu.Unlock()
	l.proxy.mu.Lock()
	rule := l.proxy.rule
	l.proxy.mu.Unlock()
	if rule == nil {
		return action{}
	}
	return rule(f)
}

// settle records that the last request was answered.
func (l *link) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = l.asked[:len(l.asked)-1]
}

// pump passes frames on in one direction.
func (l *link) pump(up bool, from, to net.Conn) {
	reset := false
	defer func() { l.end(reset) }()
	in := wire.NewReader(from, wire.MaxMaxFrame)
	for n := 0; ; n++ {
		frame, err := in.NextFrame()
		if err != nil {
			return
		}
		a := l.judge(up, n, frame)
		if a.delay > 0 {
			select {
			case <-time.After(a.delay):
			case <-l.ended:
				return
			}
		}
		if a.instead != nil {
			l.settle()
			if _, err := from.Write(wire.AppendFrame(nil, a.instead)); err != nil {
				return
			}
			continue
		}
		if a.fate != passes {
			frame = frame[:min(a.keep, len(frame))]
		}
		for size := max(a.split, 0); len(frame) > 0; {
			piece := frame
			if size > 0 {
				piece = frame[:min(size, len(frame))]
			}
			if _, err := to.Write(piece); err != nil {
				return
			}
			frame = frame[len(piece):]
		}
		switch a.fate {
		case isCut:
			return
		case isReset:
			reset = true
			return
		case stalls:
			_, _ = io.Copy(io.Discard, from) // until the connection ends
			return
		case isDeaf:
			<-l.ended
			return
		}
	}
}

// connect dials a server, and closes the client when the test ends.
func connect(t testing.TB, o network.Options) backend.Log {
	t.Helper()
	c, err := network.Dial(context.WithoutCancel(t.Context()), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}
