// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/wire"
)

// A gatedLog lets writes through one by one.
type gatedLog struct {
	*memory.Log
	entered chan struct{} // gets a value when a write arrives
	gate    chan struct{} // each value lets one write go on
}

func newGatedLog(l *memory.Log) *gatedLog {
	return &gatedLog{l, make(chan struct{}, 100), make(chan struct{})}
}

func (l *gatedLog) pass(ctx context.Context) error {
	l.entered <- struct{}{}
	select {
	case <-l.gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *gatedLog) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	if err := l.pass(ctx); err != nil {
		return backend.Refused(len(batches), err)
	}
	return l.Log.Write(ctx, batches...)
}

// shutdown begins Shutdown and returns its result.
func (s *served) shutdown(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	return done
}

// TestShutdown: Shutdown answers the requests that were read, sends connections of version 2 an error, takes no more
// requests, and moves from ready to draining to stopped. The backend stays open.
func TestShutdown(t *testing.T) {
	log := newGatedLog(memory.New(memory.Options{}))
	s := serve(t, "tcp", log, server.Options{})
	require.Equal(t, server.Ready, s.Status())
	writer, idle, idleV1, sub, subV1 := s.dial2(), s.dial2(), s.dial(), s.dial2(), s.dial()
	sub.requireOK(`{"op":"subscribe"}`)
	subV1.requireOK(`{"op":"subscribe"}`)
	idleV1.requireAlive()
	writer.send(writeJSON("tasks", "a"), writeJSON("tasks", "b"), `{"op":"ping"}`, `{"op":"stats"}`)
	<-log.entered

	done := s.shutdown(t.Context())
	for _, p := range []*peer{idle, sub} {
		a := answerOf(t, p.next())
		require.Equal(t, "unavailable", a.Code)
		p.requireEnd()
	}
	for _, p := range []*peer{idleV1, subV1} {
		p.requireEnd()
	}
	require.Equal(t, server.Draining, s.Status())
	nc, err := net.Dial(s.network, s.address)
	if err == nil { // of another process
		require.NoError(t, nc.Close())
	}
	select {
	case err := <-done:
		t.Fatalf("shutdown ended before the requests: %v", err)
	default:
	}
	log.gate <- struct{}{}
	for seq := range uint64(2) {
		require.Equal(t, seq+1, answerOf(t, writer.next()).Seq)
	}
	require.Equal(t, `{"ok":true,"pong":true}`, writer.next())
	require.True(t, answerOf(t, writer.next()).OK)
	require.Equal(t, "unavailable", answerOf(t, writer.next()).Code)
	writer.requireEnd()
	require.NoError(t, <-done)
	require.Equal(t, server.Stopped, s.Status())
	require.Len(t, s.facts(), 2)

	require.NoError(t, s.Shutdown(t.Context()), "again")
	require.NoError(t, s.Close())
	l, err := server.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, s.Serve(l), "a server that has ended serves nothing")
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// TestServing: contexts from Serving end when the server drains.
func TestServing(t *testing.T) {
	s := server.New(memory.New(memory.Options{}), server.Options{})
	parent, stop := context.WithCancel(t.Context())
	drained, cancel1 := s.Serving(t.Context())
	stopped, cancel2 := s.Serving(parent)
	ended, cancel3 := s.Serving(t.Context())
	defer cancel1(nil)
	defer cancel2(nil)
	stop()
	require.ErrorIs(t, context.Cause(stopped), context.Canceled)
	why := errors.New("why")
	cancel3(why)
	require.Equal(t, why, context.Cause(ended))
	require.NoError(t, drained.Err())
	require.NoError(t, s.Shutdown(t.Context()))
	<-drained.Done()
	require.ErrorIs(t, context.Cause(drained), backend.ErrUnavailable)
	late, cancel4 := s.Serving(t.Context())
	defer cancel4(nil)
	<-late.Done()
	require.ErrorIs(t, context.Cause(late), backend.ErrUnavailable)
}

// TestShutdownWithoutTime: Shutdown cuts off connections that do not end before ctx does.
func TestShutdownWithoutTime(t *testing.T) {
	log := newGatedLog(memory.New(memory.Options{}))
	s := serve(t, "tcp", log, server.Options{})
	p := s.dial2()
	p.send(writeJSON("tasks", "a"))
	<-log.entered
	ctx, cancel := context.WithCancel(t.Context())
	done := s.shutdown(ctx)
	eventually(t, "it drains", func() bool { return s.Status() == server.Draining })
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Equal(t, server.Stopped, s.Status())
	p.requireGone()
	require.Empty(t, s.facts())
}

// TestShutdownOfManyListeners: Shutdown ends Serve for each listener.
func TestShutdownOfManyListeners(t *testing.T) {
	s := server.New(memory.New(memory.Options{}), server.Options{})
	var serving sync.WaitGroup
	errs := make([]error, 3)
	var addresses []string
	for i := range errs {
		l, err := server.Listen("unix", filepath.Join(shortDir(t), "s"))
		require.NoError(t, err)
		addresses = append(addresses, l.Addr().String())
		serving.Go(func() { errs[i] = s.Serve(l) })
	}
	for _, address := range addresses {
		x := &served{Server: s, t: t, network: "unix", address: address}
		p := x.dial()
		p.requireAlive()
		require.NoError(t, p.Close())
	}
	require.NoError(t, s.Shutdown(t.Context()))
	serving.Wait()
	require.NoError(t, errors.Join(errs...))
	for _, address := range addresses {
		require.NoFileExists(t, address)
	}
}

// TestCloseWithEverythingInFlight: Close cuts off writers, streams, half frames, clients that do not read, and silent
// clients, and leaves neither a goroutine nor a descriptor behind.
func TestCloseWithEverythingInFlight(t *testing.T) {
	descriptors := openDescriptors(t)
	for end, network := range map[string]string{"close": "tcp", "shutdown": "unix"} {
		log := newGatedLog(memory.New(memory.Options{}))
		s := serve(t, network, log, server.Options{})
		big := strings.Repeat("x", 512<<10)
		for i := range 16 { // more than sockets hold
			_, err := log.Log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "big", Value: []byte(`"` + big + `"`)})
			require.NoError(t, err)
		}
		var peers []*peer
		for _, body := range []string{writeJSON("tasks", "a"), `{"op":"replay"}`, `{"op":"subscribe"}`, `{"op":"subscribe","after":16}`, `{"op":"ping"}`} {
			v1, v2 := s.dial(), s.dial2()
			v1.send(body)
			v2.send(body)
			peers = append(peers, v1, v2)
		}
		half, silent := s.dial(), s.dial()
		half.sendBytes(framesOf(`{"op":"ping"}`)[:7])
		peers = append(peers, half, silent)
		<-log.entered
		<-log.entered
		eventually(t, "all are there", func() bool {
			m := s.Metrics()
			return m.Connections == len(peers) && m.Subscriptions == 4 && m.Requests["ping"] == 2
		})
		if end == "close" {
			var closing sync.WaitGroup
			for range 3 {
				closing.Go(func() { _ = s.Close() })
			}
			closing.Wait()
		} else {
			ctx, cancel := context.WithCancel(t.Context())
			done := s.shutdown(ctx)
			eventually(t, "it drains", func() bool { return s.Status() == server.Draining })
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
		}
		for _, p := range peers {
			p.requireGone()
			require.NoError(t, p.Close())
		}
		s.stop()
		require.Len(t, s.facts(), 16, "the backend is open, and holds what was acknowledged")
		require.NoError(t, log.Close())
	}
	eventually(t, "no descriptor is left", func() bool { return openDescriptors(t) <= descriptors })
}

// openDescriptors returns the number of open file descriptors of the process; 0 if the system does not tell.
func openDescriptors(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	return len(entries)
}

// An endlessLog yields frames without end, like a very long or busy log.
type endlessLog struct{ *memory.Log }

func (l endlessLog) ReplayFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return l.FollowFrames(ctx, r)
}

func (l endlessLog) FollowFrames(ctx context.Context, r backend.Range) iter.Seq2[wire.Frames, error] {
	return func(yield func(wire.Frames, error) bool) {
		for seq := r.After.Seq + 1; ctx.Err() == nil; seq++ {
			page := wire.Frames{Through: backend.Cursor{Seq: seq}}
			if r.Has("tasks") {
				f := fact("tasks", "x")
				f.Seq = seq
				page.Bytes, page.Facts = wire.AppendFrame(nil, wire.AppendFact(nil, &f)), 1
			}
			if !yield(page, nil) {
				return
			}
		}
		yield(wire.Frames{}, ctx.Err())
	}
}

// TestBusySubscriptionsEnd: subscriptions that always have more to send, or to skip, end when the client sends close or
// closes the connection, and when the server shuts down.
func TestBusySubscriptionsEnd(t *testing.T) {
	for _, stores := range []string{`["*"]`, `["none"]`} {
		s := serve(t, "tcp", endlessLog{memory.New(memory.Options{})}, server.Options{})
		closes, hangsUp, stays := s.dial2(), s.dial2(), s.dial2()
		var readers sync.WaitGroup
		last := map[*peer]answer{}
		var mu sync.Mutex
		for _, p := range []*peer{closes, hangsUp, stays} {
			p.requireOK(`{"op":"subscribe","stores":%s}`, stores)
			readers.Go(func() {
				defer p.Close()
				for {
					body, err := p.in.Next()
					if err != nil {
						return
					}
					if protocol.IsControl(body) {
						mu.Lock()
						last[p] = answerOf(t, string(body))
						mu.Unlock()
					}
				}
			})
		}
		closes.send(`{"op":"close"}`)
		require.NoError(t, hangsUp.Conn.(*net.TCPConn).CloseWrite())
		eventually(t, "two are gone", func() bool { return s.Metrics().Subscriptions == 1 })
		require.NoError(t, s.Shutdown(t.Context()))
		readers.Wait()
		require.Equal(t, "unavailable", last[stays].Code)
	}
}

// A hookedConn calls hook before its first deadline is set.
type hookedConn struct {
	net.Conn
	once sync.Once
	hook func()
}

func (c *hookedConn) SetDeadline(t time.Time) error {
	c.once.Do(c.hook)
	return c.Conn.SetDeadline(t)
}

type hookedListener struct {
	net.Listener
	hook func()
}

func (l *hookedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &hookedConn{Conn: nc, hook: l.hook}, nil
}

// TestShutdownDuringHandshake shuts down just before a TLS handshake, which sets its own deadlines.
func TestShutdownDuringHandshake(t *testing.T) {
	serverTLS, clientTLS := tlsPair(t)
	l, err := server.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var s *served
	done := make(chan error, 1)
	hook := func() {
		go func() { done <- s.Shutdown(context.Background()) }()
		for s.Status() == server.Ready {
			time.Sleep(time.Millisecond)
		}
	}
	ready := make(chan struct{})
	s = serveOn(t, &hookedListener{l, func() { <-ready; hook() }}, memory.New(memory.Options{}), server.Options{TLS: serverTLS})
	close(ready)
	p := s.dialTLS(clientTLS)
	p.requireGone()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(hang):
		require.Fail(t, "shutdown waits for a client that says nothing")
	}
}

// TestDrainTakesNoTime: draining does not wait for clients that have sent no request.
func TestDrainTakesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, server.Options{}, nil)
		var readers sync.WaitGroup
		for i := range 5 {
			p := l.dial(t)
			p.hello("")
			switch i {
			case 0:
				p.requireOK(`{"op":"subscribe"}`)
			case 1:
				p.sendBytes([]byte{0, 0})
			}
			readers.Go(func() { _, _ = io.Copy(io.Discard, p) })
		}
		start := time.Now()
		require.NoError(t, s.Shutdown(t.Context()))
		require.Zero(t, time.Since(start))
		readers.Wait()
	})
}
