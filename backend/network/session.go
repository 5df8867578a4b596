package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/wire"
)

// clientName is how a client calls itself.
const clientName = "igniter-go/0.1"

// A session is a connection that has said hello.
type session struct {
	net.Conn
	in      *wire.Reader
	version int
	welcome wire.Welcome // of version 2

	mu          sync.Mutex
	silence     time.Duration // how long nothing may come; 0: for ever
	interrupted bool          // reading is to stop
}

// dial makes a connection and says hello. It tries once.
func (c *Client) dial(ctx context.Context) (*session, error) {
	attempt, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(attempt, c.opts.Transport, c.opts.Address)
	if err != nil {
		return nil, err
	}
	if c.opts.TLS != nil {
		nc = tls.Client(nc, c.opts.TLS)
	}
	s := &session{Conn: nc, version: wire.Version}
	s.in = wire.NewReader(s, wire.MaxMaxFrame)
	stop := context.AfterFunc(attempt, func() { _ = nc.Close() })
	err = s.hello(c.opts.Token)
	if !stop() && err == nil {
		err = attempt.Err()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("say hello: %w", err), nc.Close())
	}
	return s, nil
}

// Read implements io.Reader for in.
func (s *session) Read(b []byte) (int, error) {
	if err := s.setDeadline(); err != nil {
		return 0, err
	}
	return s.Conn.Read(b)
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
		return nil, err
	}
	return s.in.Next()
}

func (s *session) hello(token string) error {
	body, err := s.ask(func(dst []byte) []byte { return wire.AppendHello(dst, clientName, token) })
	if err != nil {
		return err
	}
	err = wire.ParseAnswer(body, &s.welcome)
	if errors.Is(err, wire.ErrUnknownOp) {
		s.version = 1
		s.welcome = wire.Welcome{Protocol: 1, MaxFrame: wire.DefaultMaxFrame}
		return nil
	}
	if err == nil && (s.welcome.Protocol != wire.Version || s.welcome.MaxFrame <= 0) {
		err = &backend.InvalidError{Field: "protocol", Reason: fmt.Sprintf("the server answers in version %d with a frame limit of %d", s.welcome.Protocol, s.welcome.MaxFrame)}
	}
	return err
}

// isPermanent reports whether trying again would come to the same.
func isPermanent(err error) bool {
	var verification *tls.CertificateVerificationError
	var alert tls.AlertError
	var done final
	return errors.As(err, &done) || errors.Is(err, backend.ErrUnauthenticated) || errors.Is(err, backend.ErrForbidden) || errors.Is(err, backend.ErrInvalid) ||
		errors.Is(err, backend.ErrClosed) || errors.As(err, &verification) || errors.As(err, &alert)
}
