// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/store"
)

// TestCertificateOfAnother lets a server come back with a certificate that another authority has signed, and then with a
// good one. In between, writes fail at once with that reason. Afterwards an open engine goes on.
func TestCertificateOfAnother(t *testing.T) {
	t.Parallel()
	log := memory.New(memory.Options{})
	defer log.Close()
	good, client := pair(t)
	bad, _ := pair(t)
	address := ""
	serve := func(config *tls.Config) (stop func()) {
		s := servertest.Serve(t, log, "tcp", address, server.Options{TLS: config})
		address = s.Address
		return s.Stop
	}
	stop := serve(good)
	c := connect(t, hasty(network.Options{Address: address, TLS: client}))
	e, err := store.Open(t.Context(), c, store.Options{})
	require.NoError(t, err)
	defer e.Close()
	_, err = e.Write(t.Context(), numbered(1))
	require.NoError(t, err)
	stop()

	stop = serve(bad)
	_, err = e.Write(t.Context(), numbered(2))
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError))
	require.Eventually(t, func() bool { return !e.Health().Healthy() }, eventually, tick)
	require.NoError(t, e.Err())
	stop()

	stop = serve(good)
	defer stop()
	f, err := log.WriteFact(t.Context(), numbered(3))
	require.NoError(t, err)
	require.NoError(t, e.WaitFor(t.Context(), f.Seq))
	require.Eventually(t, func() bool { return e.Health().Healthy() }, eventually, tick)
	_, err = e.Write(t.Context(), numbered(4))
	require.NoError(t, err)
}
