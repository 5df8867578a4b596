package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// clientName is how a client calls itself.
const clientName = "igniter-go/0.1"

// A session is a connection that has said hello.
type session struct {
	net.Conn
	in      *wire.Reader
	version int
	welcome protocol.HelloReply // of version 2

	mu          sync.Mutex
	silence     time.Duration // how long nothing may come; 0: for ever
	interrupted bool          // reading is to stop
	shown       time.Time     // when the server last showed that it is there
}

// dial makes a connection and says hello. It tries once, and stops when ctx ends or the client is closed.
func (c *Client) dial(ctx context.Context) (*session, error) {
	attempt, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	s, err := c.meet(attempt)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		<-attempt.Done() // a dialer looks at the time by itself, and may be ahead
	}
	switch {
	case err == nil:
		return s, nil
	case attempt.Err() == nil:
		return nil, err
	case ctx.Err() == nil && c.life.Err() == nil:
		return nil, fmt.Errorf("no answer for %v", c.opts.DialTimeout)
	}
	return nil, errors.New("no answer so far")
}

// meet makes a connection and says hello.
func (c *Client) meet(ctx context.Context) (*session, error) {
	nc, err := c.opts.dial(ctx, c.opts.Transport, c.opts.Address)
	if err != nil {
		return nil, err
	}
	if c.opts.TLS != nil {
		nc = tls.Client(nc, c.opts.TLS)
	}
	s := &session{Conn: nc, version: protocol.Version}
	s.in = wire.NewReader(s, wire.MaxMaxFrame)
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	err = s.hello(c.opts.Token)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close() // why it is of no use is known
		return nil, fmt.Errorf("say hello: %w", err)
	}
	return s, nil
}

// Read implements io.Reader for in.
func (s *session) Read(b []byte) (int, error) {
	if err := s.setDeadline(); err != nil {
		return 0, err
	}
	n, err := s.Conn.Read(b)
	if n > 0 {
		s.showed()
	}
	return n, err
}

// pieceSize is how many bytes of a large request are sent at once.
const pieceSize = 64 << 10

// Write sends in pieces: that a server takes them shows that it is there, however long the whole takes.
func (s *session) Write(b []byte) (n int, err error) {
	for len(b)-n > pieceSize {
		m, err := s.Conn.Write(b[n : n+pieceSize])
		if n += m; err != nil {
			return n, err
		}
		s.showed()
	}
	m, err := s.Conn.Write(b[n:])
	return n + m, err
}

// showed notes that the server is there, or is not expected to show it yet.
func (s *session) showed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = time.Now()
}

// isLost reports whether the server has not shown for too long that it is there.
func (s *session) isLost() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.shown) >= s.silence
}

func (s *session) setDeadline() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.interrupted:
		return os.ErrDeadlineExceeded
	case s.silence > 0:
		return s.SetReadDeadline(time.Now().Add(s.silence))
	}
	return nil
}

// within sets how long nothing may come.
func (s *session) within(silence time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silence = silence
}

// interrupt makes who reads stop with os.ErrDeadlineExceeded.
func (s *session) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupted = true
	_ = s.SetReadDeadline(longAgo) // a connection that is closed stops too
}

// resume takes back an interrupt, and reports whether there was one.
func (s *session) resume() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.interrupted
	s.interrupted = false
	return was
}

var longAgo = time.Unix(1, 0)

// ask sends a request, whose body append makes, and returns the body of the answer.
func (s *session) ask(append func(dst []byte) []byte) ([]byte, error) {
	if _, err := s.Write(wire.CloseFrame(append(wire.OpenFrame(nil)), 0)); err != nil {
		if body, said := s.in.Next(); said == nil || isCertificateAlert(said) {
			return body, said // why it hung up
		}
		return nil, err
	}
	return s.in.Next()
}

func (s *session) hello(token string) error {
	body, err := s.ask(func(dst []byte) []byte { return protocol.AppendHello(dst, clientName, token) })
	if isCertificateAlert(err) {
		return fmt.Errorf("%w: %w", backend.ErrUnauthenticated, err)
	}
	if err != nil {
		return err
	}
	err = protocol.ParseAnswer(body, &s.welcome)
	if errors.Is(err, protocol.ErrUnknownOp) {
		s.version = 1
		s.welcome = protocol.HelloReply{Protocol: 1, MaxFrame: wire.DefaultMaxFrame}
		return nil
	}
	if err == nil && (s.welcome.Protocol != protocol.Version || s.welcome.MaxFrame <= 0) {
		err = &backend.InvalidError{Field: "protocol", Reason: fmt.Sprintf("the server answers in version %d with a frame limit of %d", s.welcome.Protocol, s.welcome.MaxFrame)}
	}
	return err
}

// isCertificateAlert reports whether the server does not take the client's certificate, or misses one: it says
// so in an alert of TLS, which has no type.
func isCertificateAlert(err error) bool {
	remote, ok := errors.AsType[*net.OpError](err)
	return ok && remote.Op == "remote error" && strings.Contains(remote.Err.Error(), "certificate")
}

// isPermanent reports whether trying again would come to the same.
func isPermanent(err error) bool {
	var verification *tls.CertificateVerificationError
	var done final
	return errors.As(err, &done) || errors.Is(err, backend.ErrUnauthenticated) || errors.Is(err, backend.ErrForbidden) || errors.Is(err, backend.ErrInvalid) ||
		errors.Is(err, backend.ErrClosed) || errors.As(err, &verification)
}
