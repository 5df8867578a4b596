package server

import (
	"crypto/tls"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

// Options says how a Server works. The zero Options is good for a server on loopback or a Unix socket.
type Options struct {
	// TLS makes every connection a TLS connection; nil: none is. It needs a certificate, see
	// [auth.Certificate]. Where ClientAuth is tls.RequireAndVerifyClientCert, the certificates of clients are what
	// lets them in.
	TLS *tls.Config

	// Tokens lets clients in and says what each may do; nil: no token is asked for.
	Tokens *auth.Tokens

	// Insecure lets the server listen beyond loopback with neither Tokens nor client certificates.
	Insecure bool

	MaxConnections int // 0: 10,000; further ones are answered with unavailable
	MaxFrame       int // bytes of a request's frame; 0: wire.DefaultMaxFrame, and never more than wire.MaxMaxFrame
	MaxRequests    int // of one connection, read and not answered yet; 0: 1024
	MaxBuffered    int // bytes of one connection's requests that are read and not answered yet, or one larger request; 0: 1 MiB

	// FrameTimeout is how long a frame may take from its first byte to its last, and a TLS handshake;
	// 0: 30 s. IdleTimeout is how long a connection may wait without a request; 0: for ever, since clients
	// keep their connections. WriteTimeout is how long a client may not take what is sent to it; 0: 30 s.
	FrameTimeout, IdleTimeout, WriteTimeout time.Duration

	Heartbeat time.Duration // how often an idle subscription is told that it is alive; 0: 5 s
	SlowOp    time.Duration // a request that takes longer is counted and logged as slow; 0: 1 s

	Logger *zap.Logger // nil: nothing is logged
}

// groupSize is how many bytes of facts that came in single requests are written as one, about.
const groupSize = 1 << 20

func (o Options) withDefaults() Options {
	for _, n := range []struct {
		field *int
		value int
	}{
		{&o.MaxConnections, 10_000}, {&o.MaxFrame, wire.DefaultMaxFrame}, {&o.MaxRequests, 1024}, {&o.MaxBuffered, 1 << 20},
	} {
		if *n.field <= 0 {
			*n.field = n.value
		}
	}
	o.MaxFrame = min(o.MaxFrame, wire.MaxMaxFrame)
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.FrameTimeout, 30 * time.Second}, {&o.WriteTimeout, 30 * time.Second}, {&o.Heartbeat, 5 * time.Second}, {&o.SlowOp, time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	o.IdleTimeout = max(o.IdleTimeout, 0)
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o
}
