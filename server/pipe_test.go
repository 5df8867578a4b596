package server_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/wire"
)

// A pipeListener is where connections in memory come in, which testing/synctest can see through.
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

// servePipe serves a log in memory, seen through wrap, over pipes.
func servePipe(t testing.TB, opts server.Options, wrap func(*memory.Log) backend.Backend) (*served, *pipeListener) {
	log := memory.New(memory.Options{})
	b := backend.Backend(log)
	if wrap != nil {
		b = wrap(log)
	}
	l := newPipeListener()
	return serveOn(t, l, b, opts), l
}

// A plainLog is a log that can be followed, and gives out no frames.
type plainLog struct {
	backend.Backend
	backend.BatchWriter
	backend.Follower
	backend.Pruner
	backend.Stater
}

func plain(l *memory.Log) backend.Backend { return plainLog{l, l, l, l, l} }

// A bareLog is a log that has nothing optional.
type bareLog struct{ backend.Backend }

func bare(l *memory.Log) backend.Backend { return bareLog{l} }

// A refusingLog has Follow, and does not support it.
type refusingLog struct {
	backend.Backend
	backend.Stater
}

func (l refusingLog) Follow(context.Context, uint64, ...string) iter.Seq2[backend.Fact, error] {
	return func(yield func(backend.Fact, error) bool) {
		yield(backend.Fact{}, fmt.Errorf("nothing to follow: %w", errors.ErrUnsupported))
	}
}

func refusing(l *memory.Log) backend.Backend { return refusingLog{l, l} }

// A countedLog counts how often its frames are looked for, and fails once that is too often.
type countedLog struct {
	*memory.Log
	steps *atomic.Int64
	most  int64
}

func (l countedLog) Frames(ctx context.Context, after uint64) iter.Seq2[wire.Run, error] {
	return func(yield func(wire.Run, error) bool) {
		for run, err := range l.Log.Frames(ctx, after) {
			if l.steps.Add(1) > l.most {
				yield(wire.Run{}, fmt.Errorf("looked for frames %d times", l.most))
				return
			}
			if !yield(run, err) {
				return
			}
		}
	}
}
