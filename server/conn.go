// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

// A conn is a client's connection. One goroutine serves it: it reads the requests that have arrived, handles them, and
// sends their answers with one write.
type conn struct {
	server *Server
	nc     net.Conn
	at     net.Addr // of the listener that accepted it
	host   string   // of the client, see hostOf
	came   time.Time
	in     *wire.Reader

	*work // nil while the connection is idle

	version     int  // of the protocol
	admitted    bool // the client is authenticated; otherwise it is in the lobby
	client      auth.Session
	ending      bool // no more requests are read
	timing      timing
	size        int // bytes of the bodies of the requests
	together    int // the number of these requests
	items       int // elements of the batch that is being parsed
	extra       int // bytes for items
	taken       int // bytes that are counted for reading and handling requests; guarded by Server.mu, like the four fields after it
	page        int // bytes that are counted for the page of a stream
	large       int // bytes that are counted for a large page, from before it is read
	account     *account
	accountName string
	deadline    time.Time // in force for reading
	frameStart  time.Time // when the first byte of the current frame was read; zero: no frame has begun

	cursor atomic.Uint64                // seq through which the subscription was sent, plus 1; 0: there is no subscription
	follow atomic.Pointer[Subscription] // without Seq and Lag; nil: there was no subscription

	told []string // the readable stores according to the client's hello reply; nil: all, or there was none

	mu        sync.Mutex
	drained   bool // only requests that have already been read are handled
	shrinking bool // the purpose of the read deadline is to free memory
}

// A work is requests that are being handled. Idle connections have none, so that they take little memory.
type work struct {
	requests []protocol.Request
	facts    []backend.Fact  // of requests to write one fact
	batches  []backend.Batch // to write
	acks     []protocol.Ack
	out      []byte // frames to send
}

var works = sync.Pool{New: func() any { return new(work) }}

// begin gives the connection a work if it has none.
func (c *conn) begin() {
	if c.work == nil {
		c.work = works.Get().(*work)
	}
}

// rest returns the connection's work to the pool.
func (c *conn) rest() {
	if c.work == nil {
		return
	}
	clear(c.requests)
	c.requests, c.out = c.requests[:0], c.out[:0]
	if cap(c.out) > maxKept {
		c.out = nil
	}
	works.Put(c.work)
	c.work = nil
}

func newConn(s *Server, nc net.Conn, at net.Addr) *conn {
	if s.opts.TLS != nil {
		nc = tls.Server(nc, s.opts.TLS)
	}
	c := &conn{server: s, nc: nc, at: at, host: hostOf(nc.RemoteAddr()), came: time.Now(), version: 1}
	c.in = wire.NewReader(deadlineReader{c}, min(maxHello, s.opts.MaxFrame))
	return c
}

// serve serves the connection until it ends.
func (c *conn) serve() {
	defer c.nc.Close()
	shown, err := c.handshake()
	if err != nil {
		c.log("a TLS handshake failed", err)
		return
	}
	if c.client = c.server.policy.Session(shown); c.client.Err == nil {
		if err := c.letIn(); err != nil {
			c.reject(err)
			return
		}
	}
	for !c.ending {
		err := c.read()
		c.begin() // even without requests: refuse may answer
		if full := c.take(); full != nil {
			c.refuseAll(c.requests, full)
		} else {
			c.handle(c.requests)
		}
		if err != nil {
			c.refuse(err)
		}
		ok := c.flush()
		c.rest()
		c.size, c.together, c.extra = 0, 0, 0 // the next read counts from here
		if !ok {
			return
		}
		if c.in.Size() >= backend.LargePage {
			c.in.Shrink() // the next request may take long
		}
	}
	c.linger()
}

// handshake performs the handshake of a TLS connection, and returns the client's certificate if it has one.
func (c *conn) handshake() (shown auth.Credential, err error) {
	t, ok := c.nc.(*tls.Conn)
	if !ok {
		return shown, nil
	}
	within := c.server.opts.FrameTimeout
	if !c.admitted {
		within = min(within, c.server.opts.HelloTimeout)
	}
	if err := c.setDeadlines(time.Now().Add(within)); err != nil {
		return shown, err
	}
	if err := t.HandshakeContext(c.server.ctx); err != nil {
		return shown, err
	}
	state := t.ConnectionState()
	return auth.CredentialOf("", &state), c.setDeadlines(time.Time{})
}

// setDeadlines sets the deadlines for a handshake, and clears them after it. A draining connection keeps the read deadline
// that makes reading fail.
func (c *conn) setDeadlines(t time.Time) error {
	err := c.nc.SetDeadline(t)
	if err == nil && c.isDrained() {
		err = c.nc.SetReadDeadline(longAgo)
	}
	return err
}

// A deadlineReader reads from a connection with the right deadline.
type deadlineReader struct{ *conn }

func (r deadlineReader) Read(b []byte) (int, error) {
	c := r.conn
	if err := c.setDeadline(); err != nil {
		return 0, err
	}
	if err := c.take(); err != nil {
		return 0, err
	}
	n, err := c.nc.Read(b)
	c.server.metrics.bytesIn.Add(uint64(n))
	return n, err
}

// setDeadline limits the wait for the rest of a frame, or for a new frame.
func (c *conn) setDeadline() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	opts := &c.server.opts
	var deadline time.Time
	switch {
	case c.drained:
		deadline = longAgo
	case c.in.Buffered() > 0:
		if c.frameStart.IsZero() {
			c.frameStart = time.Now()
		}
		deadline = c.frameStart.Add(opts.FrameTimeout)
	case opts.IdleTimeout > 0 && c.cursor.Load() == 0: // the client of a subscription need not send anything
		c.frameStart = time.Time{}
		deadline = time.Now().Add(opts.IdleTimeout)
	default:
		c.frameStart = time.Time{}
	}
	c.shrinking = false
	if soon := time.Now().Add(shrinkAfter); !c.drained && c.in.Buffered() == 0 && c.in.Size() > freeBytes && (deadline.IsZero() || soon.Before(deadline)) {
		deadline, c.shrinking = soon, true
	}
	if !c.admitted && !c.drained {
		deadline = earliest(deadline, c.came.Add(opts.HelloTimeout))
	}
	if deadline.Equal(c.deadline) {
		return nil
	}
	c.deadline = deadline
	return c.nc.SetReadDeadline(deadline)
}

// shrinkAfter is how long a connection is idle before it frees the memory into which it reads.
const shrinkAfter = time.Second

// earliest returns the earlier of two deadlines. If a is zero, it returns b.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

var longAgo = time.Unix(1, 0)

// drain makes the connection end once the requests that it has read are answered.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drained = true
	c.deadline = longAgo
	_ = c.nc.SetReadDeadline(longAgo) // fails only if the connection is closed, which ends it too
}

func (c *conn) isDrained() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drained
}

// read waits for a request, and also takes the requests that arrived with it. After an error, c.requests has the requests
// before the error.
func (c *conn) read() error {
	for {
		body, err := c.in.Next()
		if errors.Is(err, os.ErrDeadlineExceeded) && c.shrinks() {
			continue
		}
		if err != nil {
			return err
		}
		c.begin()
		c.frameStart = time.Time{}
		r := protocol.ParseRequest(body)
		c.requests = append(c.requests, r)
		c.size += len(body)
		c.together++
		if len(c.requests) >= c.server.opts.MaxRequests || c.size >= c.server.opts.MaxBuffered || !c.in.Ready() || isLast(r.Op) {
			return nil
		}
	}
}

// shrinks reports whether a read ended only to free memory, since an idle connection keeps no large block. It then frees
// the block.
func (c *conn) shrinks() bool {
	c.mu.Lock()
	shrinks := c.shrinking && !c.drained
	c.shrinking = false
	c.mu.Unlock()
	return shrinks && c.in.Shrink()
}

// isLast reports whether a request must be handled before the next one is read.
func isLast(op string) bool {
	return op == protocol.OpReplay || op == protocol.OpSubscribe || op == protocol.OpClose || op == protocol.OpHello
}

// refuse ends the connection because reading failed with err.
func (c *conn) refuse(err error) {
	c.ending = true
	var corrupt *backend.CorruptError
	switch {
	case err == io.EOF:
	case errors.Is(err, backend.ErrUnavailable), errors.Is(err, backend.ErrTooLarge):
		c.log("a client's requests take too much memory", err)
		c.fail(err, nil)
	case errors.As(err, &corrupt):
		c.log("a client sent a damaged frame", err)
		c.fail(&protocol.RequestError{Err: &backend.InvalidError{Field: "frame", Reason: corrupt.Reason}}, nil)
	case errors.Is(err, os.ErrDeadlineExceeded) && c.isDrained():
		if c.version > 1 {
			c.fail(errDraining, nil)
		}
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.admitted:
		c.server.metrics.cutOff.Add(1)
		c.log("a client did not say who it is in time", err)
		c.fail(fmt.Errorf("%w: this server waits %v for hello with a token or for a certificate", backend.ErrUnauthenticated, c.server.opts.HelloTimeout), nil)
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.frameStart.IsZero():
		c.fail(c.tooSlow(err), nil)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.log("a client has been idle for too long", err)
	case !errors.Is(err, net.ErrClosed):
		c.log("a connection was lost", err)
	}
}

// tooSlow counts a client that did not send a frame in time, and returns the error for the answer.
func (c *conn) tooSlow(err error) error {
	c.server.metrics.cutOff.Add(1)
	c.log("a client sent only a part of a frame in time", err)
	return &protocol.RequestError{Err: &backend.InvalidError{Field: "frame", Reason: fmt.Sprintf("it took longer than %v", c.server.opts.FrameTimeout)}}
}

var errDraining = fmt.Errorf("%w: the server is being shut down: connect again", backend.ErrUnavailable)

// reject sends a client the error that the server has no room for it.
func (c *conn) reject(reason error) {
	defer c.nc.Close()
	c.log("a connection was turned away", reason)
	c.begin()
	defer c.rest()
	if err := c.nc.SetDeadline(time.Now().Add(lingerTime)); err != nil {
		return
	}
	c.fail(reason, nil)
	if _, err := c.nc.Write(c.out); err == nil {
		c.linger()
	}
}

// cut closes the connection at once, without TLS's closing alert, for which the client could make the caller wait.
func (c *conn) cut() {
	nc := c.nc
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	_ = nc.Close()
}

// log logs an event of a connection. An error of a client is not a warning for an operator.
func (c *conn) log(what string, err error) {
	logger := c.server.logger
	if !c.admitted {
		logger = c.server.sampled
	}
	logger.Info(what, zap.Stringer("client", c.nc.RemoteAddr()), zap.String("token", c.client.Grant.Name()), zap.Error(err))
}

// subscribed returns the seq through which the connection's subscription was sent, if there is one.
func (c *conn) subscribed() (through uint64, ok bool) {
	n := c.cursor.Load()
	return n - 1, n > 0
}
