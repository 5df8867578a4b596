// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/ctxsync"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// A client is a backend.Log that a server keeps.
type client struct {
	opts  Options
	log   *zap.Logger
	v1    *logV1    // for a server of version 1; nil: the server speaks version 2
	calls sync.Pool // of *call

	life   context.Context // of the client's goroutines and of attempts to connect; Close ends it
	cancel context.CancelFunc
	tasks  sync.WaitGroup // the client's goroutines; no goroutine starts once closed is set

	dialing ctxsync.Mutex // held while the connection for calls is made

	mu      sync.Mutex
	closed  bool
	pipe    *pipe               // the connection for calls; nil: not connected
	hello   protocol.HelloReply // of the latest connection
	state   backend.Connection
	known   backend.Stats // the log as callers know it: Log, Ancestors, and LastSeq, the highest seq that a caller was given
	lostLog error         // why the server's log is no longer the known one; nil if it is
	loops   int           // the number of connections of loops
	refused error         // why the latest attempt to reconnect failed; nil once connected
}

var (
	_ backend.Log = (*client)(nil)
	_ wire.Framer = (*client)(nil)
)

// Dial connects to a server. It tries only once, so that a wrong address fails at once, with ErrUnavailable. Later, the
// client reconnects when a connection is lost. ctx is for the call. If the server requires a token or certificate and does
// not accept the client's, the error is ErrUnauthenticated.
//
// The returned log remembers the highest seq that its callers were given, and compares it at each connection. If the server
// has come back with a log that lacks facts that callers were given (an older, an empty or another log), every method
// returns a *backend.DivergedError from then on: dial the server again to use its present log. A log of a server of version
// 1 has no identity; only its end is checked. The returned log is a wire.Framer, too.
func Dial(ctx context.Context, opts Options) (backend.Log, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("network: dial: %w", err)
	}
	c := &client{opts: opts, log: opts.Logger, dialing: ctxsync.NewMutex()}
	c.state = backend.Connection{Address: c.name(), Since: time.Now()}
	c.life, c.cancel = context.WithCancel(context.Background())
	s, err := c.dial(ctx)
	if err != nil {
		c.cancel()
		if !isPermanent(err) {
			err = &unavailable{server: c.name(), attempts: 1, last: err, cause: ctx.Err()}
		}
		return nil, fmt.Errorf("network: dial %s: %w", c.name(), err)
	}
	if s.hello.Protocol == 1 {
		c.log.Warn("the server speaks version 1 only: no batches, conditions and pruning, and facts are numbered by their place in its log",
			zap.String("server", c.name()))
		c.v1 = newLogV1(c)
	}
	if _, err = c.adopt(s); err != nil {
		return nil, err
	}
	return c, nil
}

// name returns the server's name in errors and in the log.
func (c *client) name() string {
	scheme := c.opts.Transport
	if c.opts.TLS != nil {
		scheme += "+tls"
	}
	return scheme + "://" + c.opts.Address
}

// Close ends the client and its connections. Calls and loops in flight return ErrClosed; the server may have done the work
// of the calls.
func (c *client) Close() error {
	c.mu.Lock()
	closed, p := c.closed, c.pipe
	c.closed = true
	c.mu.Unlock()
	if closed {
		return nil
	}
	c.cancel()
	if p != nil {
		p.fail(backend.ErrClosed)
	}
	c.tasks.Wait()
	return nil
}

// Features implements backend.Log. It returns the features that the server reported at the latest connection.
func (c *client) Features() backend.Features {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := backend.Features(c.hello.Features)
	f.Stores = slices.Clone(f.Stores)
	return f
}

// checkVersion returns an error if the server speaks another version than when the client was dialed.
func (c *client) checkVersion(version int) error {
	c.mu.Lock()
	before := c.state.Protocol
	c.mu.Unlock()
	if before != 0 && version != before {
		return fmt.Errorf("the server speaks version %d of the protocol and spoke %d before, so its log is numbered in another way: dial it again: %w",
			version, before, &backend.DivergedError{})
	}
	return nil
}

// place returns known.
func (c *client) place() backend.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}

// checkLog returns an error if the server's log is not the one that the client's callers know. before is the value of known
// when hello was sent, since callers may have been given later facts since than the hello reply tells. After such an error
// the client does nothing more, so that no caller mixes up the two logs.
func (c *client) checkLog(h *protocol.HelloReply, before backend.Stats) error {
	c.mu.Lock()
	p := c.pipe
	if c.lostLog == nil && h.LastSeq != nil {
		if before.Log != c.known.Log && h.Log != c.known.Log {
			c.mu.Unlock()
			return errors.New("another connection has met another log meanwhile")
		}
		s := backend.Stats{Log: h.Log, Ancestors: h.Ancestors, LastSeq: *h.LastSeq}
		_, err := s.Resume(backend.Cursor{Log: before.Log, Seq: before.LastSeq})
		if s.LastSeq = math.MaxUint64; err == nil && h.Log != c.known.Log {
			_, err = s.Resume(backend.Cursor{Log: c.known.Log, Seq: c.known.LastSeq})
		}
		if err != nil {
			c.diverge(err)
		} else {
			c.known.Log, c.known.Ancestors = h.Log, h.Ancestors
		}
	}
	err := c.lostLog
	c.mu.Unlock()
	if err != nil && p != nil {
		p.fail(err)
	}
	return err
}

// gave records that a caller is about to be given the log of a connection's hello through a seq. It returns an error if
// another connection has found a different log, so that the caller must not be given it.
func (c *client) gave(h *protocol.HelloReply, seq uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.Log != c.known.Log && c.lostLog == nil && h.LastSeq != nil {
		s := backend.Stats{Log: c.known.Log, Ancestors: c.known.Ancestors, LastSeq: math.MaxUint64}
		if _, err := s.Resume(backend.Cursor{Log: h.Log, Seq: seq}); err != nil {
			c.diverge(err)
		}
	}
	c.known.LastSeq = max(c.known.LastSeq, seq)
	return c.lostLog
}

// diverge ends the client's work. The caller holds mu.
func (c *client) diverge(err error) {
	c.lostLog = fmt.Errorf("the server came back with another log, or an older one: dial it again, and read again what you have: %w", err)
	c.log.Error("the server's log is not the one that was read before: nothing is read or written any more", zap.String("server", c.name()), zap.Error(err))
}

// adopt makes the session the connection for calls.
func (c *client) adopt(s *session) (*pipe, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = s.Close()
		return nil, backend.ErrClosed
	}
	p := newPipe(s, 3*c.opts.Heartbeat, c.lost)
	c.pipe, c.hello, c.refused = p, s.hello, nil
	c.state.Up, c.state.Since, c.state.Protocol, c.state.Server = true, time.Now(), s.hello.Protocol, s.hello.Server
	c.state.Connects++
	c.log.Info("connected", zap.String("server", c.name()), zap.Int("protocol", s.hello.Protocol), zap.Uint64p("last_seq", s.hello.LastSeq))
	c.tasks.Go(p.write)
	return p, nil
}

// background runs f in a goroutine of the client, unless the client is closed.
func (c *client) background(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.tasks.Go(f)
	}
	return !c.closed
}

// lost records why the connection for calls has ended.
func (c *client) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pipe = nil
	if c.loops == 0 {
		c.up(false)
	}
	if !c.closed {
		c.state.LastError = err.Error()
		c.log.Warn("the connection was lost", zap.String("server", c.name()), zap.Error(err))
	}
}

// up records whether the server can be reached. The caller holds mu.
func (c *client) up(up bool) {
	if c.state.Up != up {
		c.state.Up, c.state.Since = up, time.Now()
	}
}

// begun records that a loop has a connection.
func (c *client) begun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loops++
	c.up(true)
}

// ended records that a loop's connection has ended, with an error if it was lost.
func (c *client) ended(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loops--
	if _, ok := err.(permanent); !ok && err != nil && !c.closed {
		c.up(false)
		c.state.LastError = err.Error()
	}
}

// current returns the connection for calls; nil if none exists now. It returns an error if the client is closed or ctx is
// done.
func (c *client) current(ctx context.Context) (*pipe, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, backend.ErrClosed
	case c.lostLog != nil:
		return nil, c.lostLog
	}
	return c.pipe, ctx.Err()
}

// connected returns the connection for calls, and makes one if none exists, as long as ctx allows.
func (c *client) connected(ctx context.Context) (*pipe, error) {
	if p, err := c.current(ctx); p != nil || err != nil {
		return p, err
	}
	if err := c.dialing.Lock(ctx); err != nil {
		return nil, &unavailable{server: c.name(), cause: err, last: c.refusal()}
	}
	defer c.dialing.Unlock()
	if p, err := c.current(ctx); p != nil || err != nil {
		return p, err
	}
	var p *pipe
	err := c.retry(ctx, func() (bool, error) {
		s, err := c.dial(ctx)
		if err == nil {
			p, err = c.adopt(s)
		} else if ctx.Err() == nil { // the attempt did not fail because ctx ended
			c.mu.Lock()
			c.refused = err
			c.mu.Unlock()
		}
		return false, err
	})
	return p, err
}

// refusal returns the error for a caller that waited for another caller's attempts to connect.
func (c *client) refusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused != nil {
		return c.refused
	}
	return errors.New("the attempt to connect again has not ended")
}

// do sends a call, again if the answer is lost, and returns the answer of a request that succeeded. When do returns, cl has
// ended, unless the error is ctx's.
func (c *client) do(ctx context.Context, cl *call) ([]byte, error) {
	body, err := c.try(ctx, cl)
	if !isLost(err) {
		return body, err
	}
	err = c.retry(ctx, func() (bool, error) {
		if body, err = c.try(ctx, cl); err != nil && !isLost(err) {
			err = permanent{err}
		}
		return false, err
	})
	return body, err
}

// try sends a call once and returns the answer.
func (c *client) try(ctx context.Context, cl *call) ([]byte, error) {
	p, err := c.connected(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.submit(cl); err != nil {
		return nil, err
	}
	return c.answer(ctx, p, cl)
}

// answer waits for the answer to a call that p took.
func (c *client) answer(ctx context.Context, p *pipe, cl *call) ([]byte, error) {
	if err := p.await(ctx, cl); err != nil {
		return nil, err
	}
	switch {
	case cl.err != nil && c.life.Err() != nil:
		return nil, backend.ErrClosed
	case cl.err != nil:
		return nil, cl.err
	case protocol.IsError(cl.body):
		return nil, protocol.ParseError(cl.body)
	}
	cl.hello = &p.hello
	return cl.body, nil
}

// isLost reports whether a call that failed is sent again: its answer was lost, or the server is unavailable.
func isLost(err error) bool {
	return errors.Is(err, errLost) ||
		errors.Is(err, backend.ErrUnavailable) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// session calls use with a new connection. If use fails, it calls use again with another connection, as long as ctx allows.
// It closes the connection after use, or when ctx ends. use reports whether it made progress before it failed.
func (c *client) session(ctx context.Context, use func(s *session) (progress bool, err error)) error {
	if _, err := c.current(ctx); err != nil {
		return err
	}
	return c.retry(ctx, func() (bool, error) {
		s, err := c.dial(ctx)
		if err != nil {
			return false, err
		}
		defer s.Close()
		defer context.AfterFunc(ctx, func() { _ = s.Close() })()
		defer context.AfterFunc(c.life, func() { _ = s.Close() })()
		c.begun()
		progress, err := use(s)
		c.ended(err)
		return progress, err
	})
}
