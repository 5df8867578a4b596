// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A proxy forwards connections to a server. It can cut its connections, hold back all bytes, and be slow.
type proxy struct {
	listener net.Listener
	target   string
	rate     atomic.Int64 // of each direction of a connection, in bytes a second; 0: as fast as it can

	gate sync.RWMutex // held while the proxy holds back all bytes

	mu      sync.Mutex
	blocked bool
	conns   map[net.Conn]bool
}

// newProxy returns a proxy for the server with a URL or address, until the test ends.
func newProxy(t testing.TB, target string) *proxy {
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		target = u.Host
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(in) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		all.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) serve(in net.Conn) {
	defer in.Close()
	if !p.add(in) {
		return
	}
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer out.Close()
	if !p.add(out) {
		return
	}
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			p.copy(pair[0], pair[1])
			in.Close()
			out.Close()
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	p.mu.Lock()
	delete(p.conns, in)
	delete(p.conns, out)
	p.mu.Unlock()
}

// copy copies bytes at the proxy's rate. A slow proxy hardly buffers.
func (p *proxy) copy(to, from net.Conn) {
	if p.rate.Load() == 0 {
		_, _ = io.Copy(gated{to, &p.gate}, from)
		return
	}
	_ = from.(*net.TCPConn).SetReadBuffer(16 << 10)
	buf := make([]byte, 8<<10)
	for {
		n, err := from.Read(buf)
		time.Sleep(time.Duration(n) * time.Second / time.Duration(p.rate.Load()))
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

func (p *proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.blocked {
		p.conns[c] = true
	}
	return !p.blocked
}

// A gated connection holds back writes while the gate is shut.
type gated struct {
	net.Conn
	gate *sync.RWMutex
}

func (g gated) Write(b []byte) (int, error) {
	g.gate.RLock()
	defer g.gate.RUnlock()
	return g.Conn.Write(b)
}

// hold holds back all bytes, or lets them pass again when it is called with false.
func (p *proxy) hold(shut bool) {
	if shut {
		p.gate.Lock()
	} else {
		p.gate.Unlock()
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// block ends all connections, and refuses new ones until it is called with false.
func (p *proxy) block(blocked bool) {
	p.mu.Lock()
	p.blocked = blocked
	p.mu.Unlock()
	if blocked {
		p.cut()
	}
}
