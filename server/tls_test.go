// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/servertest"
)

// tlsPair returns the configurations of a server and of a client that trusts it.
func tlsPair(t testing.TB) (server, client *tls.Config) {
	a := servertest.NewAuthority(t)
	return &tls.Config{Certificates: []tls.Certificate{a.Certificate(t, "server")}}, &tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1"}
}

// dialTLS connects to the server; the handshake comes with the first bytes.
func (s *served) dialTLS(config *tls.Config) *peer {
	s.t.Helper()
	nc, err := net.Dial(s.network, s.address)
	require.NoError(s.t, err)
	require.NoError(s.t, nc.SetDeadline(time.Now().Add(hang)))
	return newPeer(s.t, tls.Client(nc, config))
}
