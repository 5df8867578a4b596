// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// TestStrangersLeaveRoom: any number of unauthenticated connections keep no client out. Their number and memory are
// bounded.
func TestStrangersLeaveRoom(t *testing.T) {
	file := newTokenFile(t, admin)
	opts := server.Options{Tokens: file.Tokens, MaxConnections: 2, MaxConnectionsEach: 2, MaxWaiting: 20, MaxWaitingEach: 10}
	s := serve(t, "tcp", memory.New(memory.Options{}), opts)
	before := live()
	var held []*peer
	for i := range 200 {
		p := s.dial()
		held = append(held, p)
		switch i % 3 {
		case 0:
			_, _ = p.Write(framesOf(`{"op":"ping"}`))
		case 1: // a part of a frame of 16 MiB; the server may have closed the connection
			_, _ = p.Write(append(header(16<<20), make([]byte, 64<<10)...))
		}
		if i%20 == 19 {
			good := s.dial()
			good.hello("admin")
			good.requireAlive()
			require.NoError(t, good.Close())
			eventually(t, "the connections that made room are gone", func() bool { return s.Metrics().Connections <= 10 })
		}
	}
	eventually(t, "all have come", func() bool { return s.Metrics().Accepted == 210 && s.Metrics().Connections <= 10 })
	after := live()
	require.Less(t, after-min(before, after), uint64(4<<20))
	in := []*peer{s.with(admin), s.with(admin)}
	third := s.dial()
	third.requireCode("unavailable", `{"op":"hello","protocol":2,"token":"admin"}`)
	third.requireEnd()
	in[0].requireAlive()
	for _, p := range held {
		_ = p.Close()
	}
}

// TestHelloInTime: a client that does not authenticate in time gets an error, whatever else it sends. An authenticated
// client may be silent.
func TestHelloInTime(t *testing.T) {
	file := newTokenFile(t, admin)
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, server.Options{Tokens: file.Tokens, HelloTimeout: 5 * time.Second}, nil)
		start := time.Now()
		good, silent, noisy, half := l.dial(t), l.dial(t), l.dial(t), l.dial(t)
		good.hello("admin")
		half.sendBytes(framesOf(`{"op":"hello","protocol":2,"token":"admin"}`)[:20])
		for range 4 {
			time.Sleep(time.Second)
			noisy.requireCode("unauthenticated", `{"op":"stats"}`)
		}
		for _, p := range []*peer{silent, noisy, half} {
			a := answerOf(t, p.next())
			require.Equal(t, "unauthenticated", a.Code)
			p.requireEnd()
		}
		require.Equal(t, 5*time.Second, time.Since(start))
		time.Sleep(time.Hour)
		good.requireAlive()
		synctest.Wait()
		require.Equal(t, 1, s.Metrics().Connections)
	})
}

// TestLargeHello: before authentication, frames must be small; afterwards they may be large.
func TestLargeHello(t *testing.T) {
	file := newTokenFile(t, admin)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens})
	p := s.dial()
	p.sendBytes(header(16<<10 + 1))
	require.Contains(t, answerOf(t, p.next()).Error, "the limit is 16384")
	p.requireEnd()
	p = s.with(admin)
	p.requireOK(`{"op":"write_fact","fact":{"id":"a","store":"tasks","key":"k","value":"%01000000d"}}`, 1)
}

// TestRefusedLogins: wrong tokens are logged with the address, but not every one of them.
func TestRefusedLogins(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: newTokenFile(t, admin).Tokens, Logger: zap.New(core)})
	for i := range 100 {
		p := s.dial()
		p.requireCode("unauthenticated", `{"op":"hello","protocol":2,"token":"guess-%d"}`, i)
		p.requireEnd()
	}
	refused := logs.FilterMessage("a login was refused").All()
	require.Len(t, refused, 10)
	host, _, err := net.SplitHostPort(fmt.Sprint(refused[0].ContextMap()["client"]))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", host)
	require.Equal(t, uint64(100), s.Metrics().Errors["unauthenticated"])
	require.NotContains(t, fmt.Sprint(logs.All()), "guess-")
}

// TestStrangersOverTLS: connections that do not finish the handshake keep no client out.
func TestStrangersOverTLS(t *testing.T) {
	serverTLS, clientTLS := tlsPair(t)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{TLS: serverTLS, Tokens: newTokenFile(t, admin).Tokens, MaxWaitingEach: 4})
	for range 20 {
		nc, err := net.Dial(s.network, s.address)
		require.NoError(t, err)
		defer nc.Close()
	}
	good := s.dialTLS(clientTLS)
	good.hello("admin")
	good.requireAlive()
	eventually(t, "the others made room", func() bool { return s.Metrics().Connections <= 5 })
}
