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

// A conn is a client's connection. One goroutine serves it: it reads the requests that are there, handles
// them, and sends the answers with one write.
type conn struct {
	server *Server
	nc     net.Conn
	at     net.Addr // what it came in on
	in     *wire.Reader

	*work // what is under way; nil: nothing is

	version    int // of the protocol
	client     auth.Session
	ending     bool // no more requests are read
	timing     timing
	deadline   time.Time // in force for reading
	frameStart time.Time // when the frame that is being read began; zero: none is

	cursor atomic.Uint64 // of the subscription, plus 1; 0: there is none

	mu      sync.Mutex
	drained bool // the server ends: nothing that is not there is waited for
}

// A work is requests and what becomes of them. Connections have one while they have requests, so that those
// that are idle take little room.
type work struct {
	requests []protocol.Request
	facts    []backend.Fact
	out      []byte // frames to be sent
}

var works = sync.Pool{New: func() any { return new(work) }}

// begin takes up work.
func (c *conn) begin() {
	if c.work == nil {
		c.work = works.Get().(*work)
	}
}

// rest lays down work that is done.
func (c *conn) rest() {
	if c.work == nil {
		return
	}
	clear(c.requests)
	c.requests, c.facts, c.out = c.requests[:0], c.facts[:0], c.out[:0]
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
	c := &conn{server: s, nc: nc, at: at, version: 1}
	c.in = wire.NewReader(deadlineReader{c}, s.opts.MaxFrame)
	return c
}

// serve serves the connection to its end.
func (c *conn) serve() {
	defer c.nc.Close()
	shown, err := c.handshake()
	if err != nil {
		c.log("a TLS handshake failed", err)
		return
	}
	c.client = c.server.policy.Session(shown)
	for !c.ending {
		err := c.read()
		c.begin() // if there was no request, there is something to be said of that
		c.handle(c.requests)
		if err != nil {
			c.refuse(err)
		}
		ok := c.flush()
		if c.rest(); !ok {
			return
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
	if err := c.setDeadlines(time.Now().Add(c.server.opts.FrameTimeout)); err != nil {
		return shown, err
	}
	if err := t.HandshakeContext(c.server.ctx); err != nil {
		return shown, err
	}
	state := t.ConnectionState()
	return auth.CredentialOf("", &state), c.setDeadlines(time.Time{})
}

// setDeadlines sets the deadlines of a handshake, and after it. It leaves none to read by if the server ends.
func (c *conn) setDeadlines(t time.Time) error {
	err := c.nc.SetDeadline(t)
	if err == nil && c.isDrained() {
		err = c.nc.SetReadDeadline(longAgo)
	}
	return err
}

// A deadlineReader reads from a connection, with the deadline that is in force.
type deadlineReader struct{ *conn }

func (r deadlineReader) Read(b []byte) (int, error) {
	c := r.conn
	if err := c.setDeadline(); err != nil {
		return 0, err
	}
	n, err := c.nc.Read(b)
	c.server.metrics.bytesIn.Add(uint64(n))
	return n, err
}

// setDeadline sets how long to wait for what comes next: the rest of a frame, or a new one.
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
	case opts.IdleTimeout > 0 && c.cursor.Load() == 0: // a subscription need not ask for anything
		c.frameStart = time.Time{}
		deadline = time.Now().Add(opts.IdleTimeout)
	default:
		c.frameStart = time.Time{}
	}
	if deadline.Equal(c.deadline) {
		return nil
	}
	c.deadline = deadline
	return c.nc.SetReadDeadline(deadline)
}

var longAgo = time.Unix(1, 0)

// drain makes the connection end when the requests that it has read are answered.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drained = true
	c.deadline = longAgo
	_ = c.nc.SetReadDeadline(longAgo) // a connection that is closed ends too
}

func (c *conn) isDrained() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drained
}

// read waits for a request and takes those that came with it. With an error, there may be some before it.
func (c *conn) read() error {
	size := 0
	for {
		body, err := c.in.Next()
		if err != nil {
			return err
		}
		c.begin()
		c.frameStart = time.Time{}
		r := protocol.ParseRequest(body)
		c.requests = append(c.requests, r)
		size += len(body)
		if len(c.requests) >= c.server.opts.MaxRequests || size >= c.server.opts.MaxBuffered || !c.in.Ready() || isLast(r.Op) {
			return nil
		}
	}
}

// isLast reports whether what follows a request is for later.
func isLast(op string) bool {
	return op == protocol.OpReplay || op == protocol.OpSubscribe || op == protocol.OpClose || op == protocol.OpHello
}

// refuse ends the connection because of what was read, or was not.
func (c *conn) refuse(err error) {
	c.ending = true
	var corrupt *backend.CorruptError
	switch {
	case err == io.EOF:
	case errors.As(err, &corrupt):
		c.log("a client sent a damaged frame", err)
		c.fail(&protocol.RequestError{Err: &backend.InvalidError{Field: "frame", Reason: corrupt.Reason}}, nil)
	case errors.Is(err, os.ErrDeadlineExceeded) && c.isDrained():
		if c.version > 1 {
			c.fail(errDraining, nil)
		}
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.frameStart.IsZero():
		c.fail(c.tooSlow(err), nil)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.log("a client has been idle for too long", err)
	case !errors.Is(err, net.ErrClosed):
		c.log("a connection was lost", err)
	}
}

// tooSlow notes that a client did not send a frame in time, and returns what it is told.
func (c *conn) tooSlow(err error) error {
	c.server.metrics.cutOff.Add(1)
	c.log("a client sent a part of a frame and then too little", err)
	return &protocol.RequestError{Err: &backend.InvalidError{Field: "frame", Reason: fmt.Sprintf("it took longer than %v", c.server.opts.FrameTimeout)}}
}

var errDraining = fmt.Errorf("%w: the server is being shut down: connect again", backend.ErrUnavailable)

// reject tells a client that there is no room for it.
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

// log notes what a connection came to. What clients do is no warning to an operator.
func (c *conn) log(what string, err error) {
	c.server.log.Info(what, zap.Stringer("client", c.nc.RemoteAddr()), zap.String("token", c.client.Grant.Name()), zap.Error(err))
}

// fail appends the answer that a request failed.
func (c *conn) fail(err error, id []byte) {
	c.server.Failed(err)
	start := len(c.out)
	c.out = wire.CloseFrame(protocol.AppendError(wire.OpenFrame(c.out), err, id), start)
}

// answer appends the frame of an answer, whose body append makes.
func (c *conn) answer(append func(dst []byte) []byte) {
	start := len(c.out)
	c.out = wire.CloseFrame(append(wire.OpenFrame(c.out)), start)
}

// flush sends what is to be sent, and reports whether the connection goes on.
func (c *conn) flush() bool {
	ok := c.send(c.out)
	c.out = c.out[:0]
	return ok
}

// maxKept is how large a buffer is kept for other answers.
const maxKept = 64 << 10

// send sends frames. A client that does not take them in time is cut off.
func (c *conn) send(frames []byte) bool {
	if len(frames) == 0 {
		return true
	}
	err := c.nc.SetWriteDeadline(time.Now().Add(c.server.opts.WriteTimeout))
	if err == nil {
		var n int
		n, err = c.nc.Write(frames)
		c.server.metrics.bytesOut.Add(uint64(n))
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.server.metrics.cutOff.Add(1)
		c.server.log.Warn("a client was cut off, since it does not take what is sent to it",
			zap.Stringer("client", c.nc.RemoteAddr()), zap.String("token", c.client.Grant.Name()), zap.Duration("timeout", c.server.opts.WriteTimeout))
	case !errors.Is(err, net.ErrClosed):
		c.log("a connection was lost", err)
	}
	return false
}

// Bounds of how a connection is closed.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// linger closes the connection so that the client still gets what was sent: closed with something unread,
// a TCP connection loses that.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.mu.Lock()
	err := c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	c.mu.Unlock()
	if err == nil {
		_, _ = io.CopyN(io.Discard, c.nc, lingerBytes) // whatever it is
	}
}

// hello answers the request that begins version 2.
func (c *conn) hello(r *protocol.Request) error {
	version, err := r.Protocol()
	if err != nil {
		return err
	}
	if version < protocol.Version {
		return &backend.InvalidError{Field: "protocol", Reason: fmt.Sprintf("%d: this server speaks %d, and 1 without hello", version, protocol.Version)}
	}
	token, err := r.Token()
	if err != nil {
		return err
	}
	if c.client.Show(token); c.client.Err != nil && token != "" {
		return c.client.Err
	}
	last := uint64(0) // for those who may know
	if c.client.Err == nil {
		if last, err = c.server.head(c.server.ctx); err != nil {
			return err
		}
	}
	c.version = protocol.Version
	c.answer(func(dst []byte) []byte {
		return protocol.AppendHelloReply(dst, protocol.HelloReply{Protocol: protocol.Version, Server: serverName, LastSeq: last,
			MaxFrame: c.server.opts.MaxFrame, Features: c.server.features}, r.ID)
	})
	return nil
}

// serverName is how a server calls itself.
const serverName = "igniter-go/0.1"

// subscribed returns the seq through which the connection's subscription was sent the log, if there is
// one.
func (c *conn) subscribed() (through uint64, ok bool) {
	n := c.cursor.Load()
	return n - 1, n > 0
}
