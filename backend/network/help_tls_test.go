// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"crypto/tls"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/wire"
)

// shortDir returns a temporary directory whose path is short enough for a Unix socket.
func shortDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "ign")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// pair returns the configurations of a server and of a client that trusts it. They use the cheapest algorithms, since tests
// make very many connections.
func pair(t testing.TB) (server, client *tls.Config) {
	a := servertest.NewAuthority(t)
	return &tls.Config{Certificates: []tls.Certificate{a.Certificate(t, "server")}}, &tls.Config{RootCAs: a.Pool(), ClientSessionCache: tls.NewLRUClientSessionCache(0), CurvePreferences: []tls.CurveID{tls.CurveP256}}
}

// rawHello returns a bare connection that has said hello and, if asked to, subscribed.
func rawHello(t testing.TB, s *served, subscribe bool) net.Conn {
	nc, err := net.Dial(s.options.Transport, s.options.Address)
	require.NoError(t, err)
	ask := func(body []byte) {
		_, err := nc.Write(wire.AppendFrame(nil, body))
		require.NoError(t, err)
		_, err = wire.NewReader(nc, 0).Next()
		require.NoError(t, err)
	}
	ask(protocol.AppendHello(nil, "test", ""))
	if subscribe {
		ask(protocol.AppendSubscribe(nil, after(1000)))
	}
	return nc
}
