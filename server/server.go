// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/ctxsync"
	"github.com/igniter-store/igniter/server/auth"
)

// A Status is the state of a server. It only moves forward.
type Status string

const (
	Ready    Status = "ready"    // accepts connections, or will when Serve is called
	Draining Status = "draining" // accepts no more connections, and closes the open ones
	Stopped  Status = "stopped"  // nothing of the server runs any more
)

// A Server serves one log to any number of clients, see the package's comment. Its methods may be called concurrently.
type Server struct {
	log      backend.Log
	kind     string // the name of the log's package
	opts     Options
	policy   auth.Policy
	logger   *zap.Logger
	failures *zap.Logger // logger, but limited to one line per minute of each kind
	sampled  *zap.Logger // logger, for messages that any client can cause, see newSampled
	metrics  *metrics
	started  time.Time
	last     atomic.Uint64 // the highest seq that the server knows of
	full     atomic.Bool   // the latest write found no room
	clock    clock
	trace    trace

	ctx       context.Context // of all work for clients; ended by Close
	writing   context.Context // the same for writes, which wait for the disk: connections have nothing else to do
	cancel    context.CancelFunc
	draining  context.Context // ended by drain
	drained   context.CancelFunc
	running   sync.WaitGroup
	rejecting atomic.Int32 // connections to which reject is sending an error
	awaiting  atomic.Int32 // streams that wait for room

	mu        sync.Mutex
	status    Status
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{} // all that are open
	lobby     lobby              // the part of conns without an authenticated client
	admitted  int                // the number of conns that are not in the lobby
	accounts  map[string]*account
	memory    int64          // bytes counted for all connections
	freed     ctxsync.Signal // memory has become less
	streams   int            // of all connections
	bound     net.Addr       // of the first listener; nil: there was no listener yet
}

// New returns a server of b. The server never closes b; the caller closes it after the server.
func New(b backend.Backend, opts Options) *Server {
	s := &Server{
		log: backend.Complete(b), opts: opts.withDefaults(), metrics: newMetrics(), started: time.Now(),
		status: Ready, listeners: map[net.Listener]struct{}{}, conns: map[*conn]struct{}{}, accounts: map[string]*account{},
	}
	s.kind, _, _ = strings.Cut(strings.TrimLeft(fmt.Sprintf("%T", b), "*"), ".")
	s.policy = auth.Policy{Tokens: opts.Tokens, Certificates: opts.TLS != nil && opts.TLS.ClientAuth == tls.RequireAndVerifyClientCert}
	s.logger = s.opts.Logger
	s.failures = s.logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 1, 0)
	}))
	s.sampled = newSampled(s.logger)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.writing = ctxsync.WithPatience(s.ctx)
	s.draining, s.drained = context.WithCancel(context.Background())
	return s
}

// Status returns the state of the server.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Open reports whether the server requires neither tokens nor certificates, so that every client may do everything.
func (s *Server) Open() bool { return s.policy.Open() }

// Authorize returns the session of a client that does not use a connection of this server, such as a client of package
// web.
func (s *Server) Authorize(shown auth.Credential) auth.Session { return s.policy.Session(shown) }

// Serving returns a copy of ctx for work that must end when the server begins to drain: the copy then ends, too, with a
// backend.ErrUnavailable as its cause. The returned function ends the copy, and must be called.
func (s *Server) Serving(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.draining, func() { cancel(errDraining) })
	return ctx, func(cause error) {
		stop()
		cancel(cause)
	}
}

// Serve accepts connections of l until Shutdown or Close, and then returns nil; it closes l. It may be called for several
// listeners. It refuses a listener that other machines can reach, unless clients need a token or a certificate, or
// Options.Insecure is set. If the process runs out of file descriptors, Serve retries at growing intervals.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if s.policy.Open() && !s.opts.Insecure && !isLocal(l.Addr()) {
		return fmt.Errorf("server: %s can be reached from other machines, and neither tokens nor client certificates are required: "+
			"set them, listen on loopback, or set insecure if that is intended", l.Addr())
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
	s.logger.Info("serving", zap.Stringer("address", l.Addr()), zap.Bool("tls", s.opts.TLS != nil), zap.Bool("tokens", s.opts.Tokens != nil))
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
		case !isTemporary(err):
			return fmt.Errorf("server: accept on %s: %w", l.Addr(), err)
		}
		pause := wait.NextBackOff()
		s.logger.Warn("a connection can't be accepted; trying again", zap.Stringer("address", l.Addr()), zap.Duration("after", pause), zap.Error(err))
		select {
		case <-time.After(pause):
		case <-s.draining.Done():
		}
	}
}

// isLocal reports whether only this machine can reach an address.
func isLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// isTemporary reports whether accepting may work later.
func isTemporary(err error) bool {
	for _, temporary := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, temporary) {
			return true
		}
	}
	return false
}

func (s *Server) isDraining() bool {
	return s.draining.Err() != nil
}

// maxRejecting limits the connections that reject answers at once; further ones are just closed.
const maxRejecting = 64

// accept starts serving a connection, or rejects it.
func (s *Server) accept(nc net.Conn, at net.Addr) {
	c := newConn(s, nc, at)
	s.mu.Lock()
	if s.status != Ready {
		s.mu.Unlock()
		_ = nc.Close()
		return
	}
	var out *conn
	full := false
	switch {
	case !s.policy.Open():
		out = s.lobby.add(c, s.opts.MaxWaiting, s.opts.MaxWaitingEach)
	case s.admitted >= s.opts.MaxConnections:
		full = true
	default:
		s.admitted++
		c.admitted = true
	}
	s.running.Add(1)
	if !full {
		s.conns[c] = struct{}{}
		s.metrics.accepted.Add(1)
	}
	s.mu.Unlock()
	if out != nil {
		s.metrics.rejected.Add(1)
		s.sampled.Info("a connection whose client had not said who it is made room for another one", zap.Stringer("client", out.nc.RemoteAddr()))
		out.cut()
	}
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
			c.reject(s.errFull())
		}()
		return
	}
	go func() {
		defer s.running.Done()
		c.serve()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		c.leave()
		s.freed.Notify()
		s.memory -= int64(c.used())
		if c.admitted {
			s.admitted--
		} else {
			s.lobby.remove(c)
		}
		s.metrics.closed.Add(1)
	}()
}

// Shutdown drains the server: it accepts no more connections, answers the requests that it has read, ends subscriptions
// with an error, and waits until all connections are closed. If ctx ends first, it cuts off the rest as Close does, and
// returns ctx's error.
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

// drain stops accepting, and makes connections end once they have answered.
func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != Ready {
		return
	}
	s.status = Draining
	s.drained()
	for l := range s.listeners {
		_ = l.Close() // Serve returns
	}
	for c := range s.conns {
		c.drain()
	}
}

// Close ends the server at once: it cuts off all connections. It returns when nothing of the server runs any more, so it may
// wait for a sync of the log. Closing again does nothing.
func (s *Server) Close() error {
	s.drain()
	s.cancel()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.nc.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
	s.clock.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = Stopped
	return nil
}

// head returns the last seq of the log.
func (s *Server) head(ctx context.Context) (uint64, error) {
	stats, err := s.Stats(ctx)
	return stats.LastSeq, err
}

// advance records that the log has a seq, and reports whether it was higher than all known ones.
func (s *Server) advance(seq uint64) bool {
	for {
		last := s.last.Load()
		if seq <= last {
			return false
		}
		if s.last.CompareAndSwap(last, seq) {
			s.trace.note(seq, time.Now())
			return true
		}
	}
}
