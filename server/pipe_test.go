// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"iter"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// A pipeListener accepts connections in memory, which work with testing/synctest.
type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// dialPipe connects to a server that serves a pipeListener.
func (l *pipeListener) dial(t testing.TB) *peer {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return newPeer(t, ours)
}

// servePipe serves a log in memory, wrapped by wrap, over pipes.
func servePipe(t testing.TB, opts server.Options, wrap func(*memory.Log) backend.Backend) (*served, *pipeListener) {
	log := memory.New(memory.Options{})
	b := backend.Backend(log)
	if wrap != nil {
		b = wrap(log)
	}
	l := newPipeListener()
	return serveOn(t, l, b, opts), l
}

// plain returns a log that does not yield its frames.
func plain(l *memory.Log) backend.Backend { return backend.Intercept(l, backend.Hooks{}) }

// bare returns a backend that has only the four methods.
func bare(l *memory.Log) backend.Backend { return struct{ backend.Backend }{l} }

// A countedLog counts the pages that it yields.
type countedLog struct {
	*memory.Log
	pages *atomic.Int64
}

func (l countedLog) Follow(ctx context.Context, r backend.Range) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for page, err := range l.Log.Follow(ctx, r) {
			if l.pages.Add(1); !yield(page, err) {
				return
			}
		}
	}
}
