package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

// A Status is what a server is doing. It only moves on.
type Status string

const (
	Ready    Status = "ready"    // it takes connections, or will when Serve is called
	Draining Status = "draining" // it takes no more, and ends those that it has
	Stopped  Status = "stopped"  // nothing of it runs any more
)

// A Server serves one backend to any number of clients, see the package's comment. Its methods may be
// called concurrently.
type Server struct {
	b        backend.Backend
	frames   wire.Framer
	features []string // the optional ops that b supports, as far as its type tells
	opts     Options
	policy   auth.Policy
	log      *zap.Logger
	failures *zap.Logger // log, but one line a minute of each kind
	metrics  *metrics
	started  time.Time
	last     atomic.Uint64 // the highest seq that the server knows of

	ctx       context.Context // of all that is done for clients; ended by Close
	cancel    context.CancelFunc
	draining  chan struct{} // closed when the server is to end
	running   sync.WaitGroup
	rejecting atomic.Int32 // connections that are being told that there is no room

	mu        sync.Mutex
	status    Status
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	bound     net.Addr // what was listened on first; nil: nothing yet
}

// New returns a server of b. The server never closes b; whoever opened it closes it after the server.
func New(b backend.Backend, opts Options) *Server {
	s := &Server{
		b: b, opts: opts.withDefaults(), metrics: newMetrics(), started: time.Now(),
		draining: make(chan struct{}), status: Ready, listeners: map[net.Listener]struct{}{}, conns: map[*conn]struct{}{},
	}
	s.policy = auth.Policy{Tokens: opts.Tokens, Certificates: opts.TLS != nil && opts.TLS.ClientAuth == tls.RequireAndVerifyClientCert}
	s.log = s.opts.Logger
	s.failures = s.log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
	}))
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if s.frames, _ = b.(wire.Framer); s.frames == nil {
		s.frames = encoder{b}
	}
	s.features = featuresOf(b)
	return s
}

// Status returns what the server is doing.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Authorize returns the session of a client that something else than the server's own connections serves, such as
// package web. Draining says when that must end.
func (s *Server) Authorize(shown auth.Credential) auth.Session { return s.policy.Session(shown) }

// Draining returns a channel that is closed when the server begins to drain.
func (s *Server) Draining() <-chan struct{} { return s.draining }

// Serve accepts connections of l until Shutdown or Close, and returns nil then; it closes l. It may be called
// for several listeners. A listener that is open beyond loopback is refused unless clients need a token
// or a certificate, or Options.Insecure is set. Running out of file descriptors ends nothing: accepting
// is tried again, ever more slowly.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if s.policy.Open() && !s.opts.Insecure && !isLocal(l.Addr()) {
		return fmt.Errorf("server: %s can be reached from other machines, and neither tokens nor client certificates are asked for: "+
			"set them, listen on loopback, or say that this is meant (insecure)", l.Addr())
	}
	s.mu.Lock()
	if s.status != Ready {
		s.mu.Unlock()
		return nil
	}
	s.listeners[l] = struct{}{}
	if s.bound == nil {
		s.bound = l.Addr()
	}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listeners, l)
	}()
	s.log.Info("serving", zap.Stringer("address", l.Addr()), zap.Bool("tls", s.opts.TLS != nil), zap.Bool("tokens", s.opts.Tokens != nil))
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 5*time.Millisecond, time.Second
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			wait.Reset()
			s.accept(nc, l.Addr())
			continue
		case s.isDraining():
			return nil
		case !isPassing(err):
			return fmt.Errorf("server: accept on %s: %w", l.Addr(), err)
		}
		pause := wait.NextBackOff()
		s.log.Warn("a connection can't be accepted; trying again", zap.Stringer("address", l.Addr()), zap.Duration("after", pause), zap.Error(err))
		select {
		case <-time.After(pause):
		case <-s.draining:
		}
	}
}

// isLocal reports whether an address can be reached from this machine only.
func isLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// isPassing reports whether accepting may work again by itself.
func isPassing(err error) bool {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// maxRejecting is how many connections at once are told that there is no room; further ones are closed
// without a word.
const maxRejecting = 64

// accept starts serving a connection, or turns it away.
func (s *Server) accept(nc net.Conn, at net.Addr) {
	c := newConn(s, nc, at)
	s.mu.Lock()
	full := len(s.conns) >= s.opts.MaxConnections
	if s.status != Ready {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	s.running.Add(1)
	if !full {
		s.conns[c] = struct{}{}
		s.metrics.accepted.Add(1)
	}
	s.mu.Unlock()
	if full {
		s.metrics.rejected.Add(1)
		if s.rejecting.Add(1) > maxRejecting {
			s.rejecting.Add(-1)
			s.running.Done()
			_ = nc.Close()
			return
		}
		go func() {
			defer s.running.Done()
			defer s.rejecting.Add(-1)
			c.reject(fmt.Errorf("%w: the server has its %d connections: try again later", backend.ErrUnavailable, s.opts.MaxConnections))
		}()
		return
	}
	go func() {
		defer s.running.Done()
		c.serve()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		s.metrics.closed.Add(1)
	}()
}

// Shutdown ends the server gently: it takes no more connections, answers the requests that it has
// read, tells subscribers that it ends, and waits until all connections are closed. When ctx ends
// before that, it does as Close does, and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return s.Close()
	case <-ctx.Done():
	}
	return errors.Join(fmt.Errorf("server: shutdown: connections were cut off: %w", ctx.Err()), s.Close())
}

// drain makes everything end that can end by itself.
func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != Ready {
		return
	}
	s.status = Draining
	close(s.draining)
	for l := range s.listeners {
		_ = l.Close() // Serve returns
	}
	for c := range s.conns {
		c.drain()
	}
}

// Close ends the server at once: connections are cut off. It returns when nothing of the server runs any
// more. Closing again does nothing.
func (s *Server) Close() error {
	s.drain()
	s.cancel()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.nc.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = Stopped
	return nil
}

// head returns the last seq of the log.
func (s *Server) head(ctx context.Context) (uint64, error) {
	stats, err := backend.StatsOf(ctx, s.b)
	if err == nil {
		s.advance(stats.LastSeq)
		return stats.LastSeq, nil
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return 0, err
	}
	last := uint64(0)
	for f, err := range s.b.Replay(ctx, s.last.Load()) {
		if err != nil {
			return 0, err
		}
		last = f.Seq
	}
	s.advance(last)
	return s.last.Load(), nil
}

// advance notes a seq of the log.
func (s *Server) advance(seq uint64) {
	for {
		last := s.last.Load()
		if seq <= last || s.last.CompareAndSwap(last, seq) {
			return
		}
	}
}
