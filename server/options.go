// SPDX-License-Identifier: Apache-2.0

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
	// TLS makes every connection a TLS connection, if it is not nil. It needs a certificate, see [auth.Certificate]. If
	// its ClientAuth is tls.RequireAndVerifyClientCert, clients are let in by their certificates.
	TLS *tls.Config

	// Tokens lets clients in and says what each may do; nil: clients need no token.
	Tokens *auth.Tokens

	// StampProducer has the server write the name of the token, or of the certificate, with which a client was let in into each
	// fact that the client writes ([backend.Fact.By]). A token that may import says itself who wrote its facts, and is stamped
	// if it says nothing; a certificate without Tokens may not say it. Where neither is asked for, there is no name to stamp.
	StampProducer bool

	// ReadOnly has the server refuse writes and prunes with backend.ErrForbidden, whatever a token says, as for a copy of
	// another log. Administrators may still have the log write snapshots.
	ReadOnly bool

	// Insecure allows the server to listen beyond loopback with neither Tokens nor client certificates.
	Insecure bool

	MaxConnections int // further ones are answered with unavailable; 0: 10,000, but at most one for each 128 KiB of the memory limit of the process

	// Where Tokens or client certificates are asked for, a connection must show one within HelloTimeout (0: 5 s), with a
	// frame of at most 16 KiB. Until then it does not count for MaxConnections: MaxWaiting (0: 1024) of them may be open,
	// and MaxWaitingEach (0: 256) from one address. A further one takes the place of the one that has waited longest.
	HelloTimeout   time.Duration
	MaxWaiting     int
	MaxWaitingEach int

	// A token, or the certificate that stands for one, may have MaxConnectionsEach connections; 0: seven eighths of
	// MaxConnections.
	MaxConnectionsEach int

	// Requests that are being read and handled, and answers that are being sent, may take MaxMemory bytes together (0: half of
	// the process's memory limit, see debug.SetMemoryLimit, or 1 GiB if it has none), MaxMemoryEach bytes for one token (0:
	// half of that), and MaxMemoryConnection bytes for one connection (0: a quarter, or what a frame of MaxFrame takes if that is more).
	// What would take more is answered with unavailable, or with too_large if it can never be taken; a stream waits five seconds for
	// room before a page of 512 KiB or more is read. A request counts twice beside the memory that it was read into, and for 2 KiB, and each fact of a
	// batch for 1 KiB. What takes 512 KiB or more at a time leaves an eighth of the room to what takes less.
	MaxMemory, MaxMemoryEach, MaxMemoryConnection int

	// Replays and subscriptions: MaxStreams (0: 4096) at once, and MaxStreamsEach (0: a quarter) for one token. Each takes up
	// to 256 KiB, or one larger batch, while its client reads slowly.
	MaxStreams, MaxStreamsEach int

	MaxFrame    int // bytes of a request's frame; 0: wire.DefaultMaxFrame, and never more than wire.MaxMaxFrame
	MaxRequests int // of one connection, read and not yet answered; 0: 1024
	MaxBuffered int // bytes of one connection's requests that are read and not yet answered, unless one request has more; 0: 1 MiB

	FrameTimeout time.Duration // how long a frame may take to arrive, from its first byte to its last, or a TLS handshake; 0: 30 s
	IdleTimeout  time.Duration // how long a connection may be open without a request; 0: no limit, since clients keep their connections
	WriteTimeout time.Duration // how long a client may take to read what is sent to it; 0: 30 s

	// MaxSkew is how far ahead of this machine's clock the transaction time of an imported fact may be, since later facts are
	// never dated before it; 0: a minute.
	MaxSkew time.Duration

	Heartbeat time.Duration // how often an idle subscription is told that it is alive; 0: 5 s
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
