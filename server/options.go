// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"time"

	"go.uber.org/zap"

	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

// Options configure a Server. The zero Options are valid for a server on loopback or a Unix socket.
type Options struct {
	// TLS makes every connection a TLS connection, if it is not nil. It needs a certificate, see [auth.Certificate]. If its
	// ClientAuth is tls.RequireAndVerifyClientCert, certificates authenticate clients.
	TLS *tls.Config

	// Tokens authenticate clients and say what each may do; nil: clients need no token.
	Tokens *auth.Tokens

	// StampProducer makes the server set [backend.Fact.By] of each written fact to the name of the client's token or
	// certificate. A client whose token may import can set By itself; if it leaves By empty, the server sets it. A client
	// that only shows a certificate, on a server without Tokens, may not set By. If the server requires neither tokens nor
	// certificates, there is no name to set.
	StampProducer bool

	// ReadOnly makes the server refuse writes and prunes with backend.ErrForbidden, whatever a token allows, for example
	// for a copy of another log. Administrators may still make snapshots.
	ReadOnly bool

	// Insecure allows the server to listen beyond loopback with neither Tokens nor client certificates.
	Insecure bool

	MaxConnections int // further connections are answered with unavailable; 0: 10,000, but at most one for each 128 KiB of the memory limit of the process

	// If the server requires Tokens or client certificates, a connection must show one within HelloTimeout (0: 5 s), with a
	// frame of at most 16 KiB. Until then it does not count for MaxConnections. At most MaxWaiting (0: 1024) such
	// connections may be open, and MaxWaitingEach (0: 256) from one address. A further connection replaces the one that has
	// waited longest.
	HelloTimeout   time.Duration
	MaxWaiting     int
	MaxWaitingEach int

	// MaxConnectionsEach limits the connections of one token or certificate; 0: seven eighths of MaxConnections.
	MaxConnectionsEach int

	// These limit the bytes of requests that are being read and handled, and of answers that are being sent: MaxMemory for
	// all together (0: half of the process's memory limit, see debug.SetMemoryLimit, or 1 GiB if it has none),
	// MaxMemoryEach for one token (0: half of MaxMemory), and MaxMemoryConnection for one connection (0: a quarter of
	// MaxMemory, or the need of a frame of MaxFrame bytes if that is more). A request beyond a limit is answered with
	// unavailable, or with too_large if it exceeds the limit of a connection. A stream waits five seconds for room before
	// it reads a page of 512 KiB or more. A request counts three times its bytes, and 2 KiB more, and each fact of a batch
	// counts 1 KiB. Requests and pages of 512 KiB or more leave an eighth of the room to smaller ones.
	MaxMemory, MaxMemoryEach, MaxMemoryConnection int

	// MaxStreams (0: 4096) limits the replays and subscriptions at once, and MaxStreamsEach (0: a quarter of that) limits
	// them for one token. Each takes up to 256 KiB, or one larger batch, while its client reads slowly.
	MaxStreams, MaxStreamsEach int

	MaxFrame    int // bytes of a request's frame; 0: wire.DefaultMaxFrame, and never more than wire.MaxMaxFrame
	MaxRequests int // of one connection, read and not yet answered; 0: 1024
	MaxBuffered int // bytes of one connection's requests that are read and not yet answered, unless one request has more; 0: 1 MiB

	FrameTimeout time.Duration // limits the time from the first to the last byte of a frame, and of a TLS handshake; 0: 30 s
	IdleTimeout  time.Duration // how long a connection may be open without a request; 0: no limit, since clients keep their connections
	WriteTimeout time.Duration // how long a client may take to read sent frames; 0: 30 s

	// MaxSkew limits how far the transaction time of an imported fact may be ahead of this machine's clock, since no later
	// fact gets an earlier time; 0: a minute.
	MaxSkew time.Duration

	Heartbeat time.Duration // the interval of heartbeats on an idle subscription; 0: 5 s
	SlowOp    time.Duration // a request that takes longer is counted and logged as slow; 0: 1 s

	Logger *zap.Logger // nil: nothing is logged
}

func (o Options) withDefaults() Options {
	for _, n := range []struct {
		field *int
		value int
	}{
		{&o.MaxConnections, defaultConnections()}, {&o.MaxMemory, defaultMemory()}, {&o.MaxStreams, 4096}, {&o.MaxWaiting, 1024}, {&o.MaxWaitingEach, 256}, {&o.MaxFrame, wire.DefaultMaxFrame}, {&o.MaxRequests, 1024}, {&o.MaxBuffered, 1 << 20},
	} {
		if *n.field <= 0 {
			*n.field = n.value
		}
	}
	o.MaxFrame = min(o.MaxFrame, wire.MaxMaxFrame)
	for _, n := range []struct {
		field    *int
		of, part int
	}{
		{&o.MaxMemoryEach, o.MaxMemory, 2}, {&o.MaxStreamsEach, o.MaxStreams, 4},
	} {
		if *n.field <= 0 {
			*n.field = max(n.of/n.part, 1)
		}
	}
	if atLeast := timesRead*o.MaxFrame + freeBytes; o.MaxMemoryConnection <= 0 {
		o.MaxMemoryConnection = min(max(o.MaxMemory/4, atLeast), o.MaxMemoryEach)
	}
	if o.MaxConnectionsEach <= 0 {
		o.MaxConnectionsEach = o.MaxConnections - o.MaxConnections/8
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.HelloTimeout, 5 * time.Second}, {&o.FrameTimeout, 30 * time.Second}, {&o.WriteTimeout, 30 * time.Second}, {&o.Heartbeat, 5 * time.Second}, {&o.SlowOp, time.Second}, {&o.MaxSkew, time.Minute},
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
