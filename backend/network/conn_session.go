// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/wire"
)

// clientName is the name that the client tells servers.
const clientName = "igniter-go/0.1"

// A session is a connection after hello.
type session struct {
	net.Conn
	in    *wire.Reader
	hello protocol.HelloReply // its Protocol is 1 for a server that does not know hello, and 0 until hello is answered
	first []byte              // the first bytes from the peer

	silence time.Duration // reads fail when the server was inactive for this time; 0: they wait forever

	mu          sync.Mutex
	interrupted bool      // reads fail with os.ErrDeadlineExceeded
	active      time.Time // when the server last sent or took bytes, or last had nothing to answer
}

// dial makes a connection and says hello. It tries once, and stops when ctx ends or the client is closed.
func (c *client) dial(ctx context.Context) (*session, error) {
	attempt, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	s, err := c.meet(attempt)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		<-attempt.Done() // the dialer's own timer may fire first
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

// meet makes a connection and says hello, as long as ctx allows.
func (c *client) meet(ctx context.Context) (*session, error) {
	nc, err := c.opts.dial(ctx, c.opts.Transport, c.opts.Address)
	if err != nil {
		return nil, err
	}
	if c.opts.TLS != nil {
		nc = tls.Client(nc, c.opts.TLS)
	}
	s, before := &session{Conn: nc}, c.place()
	s.in = wire.NewReader(s, wire.MaxMaxFrame)
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	err = s.sayHello(c.opts.Token)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = c.checkVersion(s.hello.Protocol)
	}
	if err == nil && s.hello.Protocol != 1 {
		err = c.checkLog(&s.hello, before)
	}
	if err != nil {
		_ = nc.Close() // err says why
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
		s.touch()
	}
	if room := firstBytes - len(s.first); s.hello.Protocol == 0 && room > 0 {
		s.first = append(s.first, b[:min(n, room)]...)
	}
	return n, err
}

// firstBytes limits the bytes of an invalid answer to hello that an error shows.
const firstBytes = 16

// setDeadline sets the deadline of the next read.
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

// interrupt makes reads fail with os.ErrDeadlineExceeded, until resume.
func (s *session) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupted = true
	_ = s.SetReadDeadline(longAgo) // a closed connection ends reads too
}

// resume ends an interrupt, and reports whether there was one.
func (s *session) resume() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.interrupted
	s.interrupted = false
	return was
}

var longAgo = time.Unix(1, 0)

// chunkSize is the number of bytes of a large request that are sent with one write.
const chunkSize = 64 << 10

// Write sends b in chunks, each of which shows that the server is active: a large request may take long.
func (s *session) Write(b []byte) (n int, err error) {
	for len(b)-n > chunkSize {
		m, err := s.Conn.Write(b[n : n+chunkSize])
		if n += m; err != nil {
			return n, err
		}
		s.touch()
	}
	m, err := s.Conn.Write(b[n:])
	return n + m, err
}

// touch records that the server is active now.
func (s *session) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = time.Now()
}

// isSilent reports whether the server has been inactive for too long.
func (s *session) isSilent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.active) >= s.silence
}

// limitSilence makes reads fail with os.ErrDeadlineExceeded when the server is inactive for d, from now on. A probe
// does not count as activity.
func (s *session) limitSilence(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silence = d
	if d > probeTime {
		s.active = time.Now()
	}
}

// roundTrip sends a request, whose body appendBody appends, and returns the body of the answer.
func (s *session) roundTrip(appendBody func(dst []byte) []byte) ([]byte, error) {
	if _, err := s.Write(wire.CloseFrame(appendBody(wire.OpenFrame(nil)), 0)); err != nil {
		if body, said := s.in.Next(); said == nil || isCertificateAlert(said) {
			return body, said // the reason that the server gave before it closed the connection
		}
		return nil, err
	}
	return s.in.Next()
}

func (s *session) sayHello(token string) error {
	body, err := s.roundTrip(func(dst []byte) []byte { return protocol.AppendHello(dst, clientName, token) })
	if isCertificateAlert(err) {
		return fmt.Errorf("%w: %w", backend.ErrUnauthenticated, err)
	}
	if err != nil {
		return s.stranger(err)
	}
	err = protocol.ParseAnswer(body, &s.hello)
	if errors.Is(err, protocol.ErrUnknownOp) {
		s.hello = helloV1
		return nil
	}
	if err == nil && (s.hello.Protocol != protocol.Version || s.hello.MaxFrame <= 0) {
		err = &backend.InvalidError{Field: "protocol", Reason: fmt.Sprintf("the server answers in version %d with a frame limit of %d", s.hello.Protocol, s.hello.MaxFrame)}
	}
	return err
}

// stranger returns the error for a peer that does not answer hello. It is not a CorruptError, since no log is damaged.
func (s *session) stranger(err error) error {
	_, secure := s.Conn.(*tls.Conn)
	switch {
	case errors.Is(err, backend.ErrCorrupt):
		return fmt.Errorf("it is no Igniter server, or not its address for clients: it answers with %q", s.first)
	case !secure && len(s.first) == 0 && errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it closed the connection: does it want TLS?", err)
	}
	return err
}

// isCertificateAlert reports whether err is a TLS alert that the server rejects or misses the client's certificate. TLS
// alerts have no exported type.
func isCertificateAlert(err error) bool {
	remote, ok := errors.AsType[*net.OpError](err)
	return ok && remote.Op == "remote error" && strings.Contains(remote.Err.Error(), "certificate")
}
