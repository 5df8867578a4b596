// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
)

// files writes texts to files of a new directory, and returns their paths.
func files(t testing.TB, texts map[string][]byte) map[string]string {
	dir := t.TempDir()
	paths := map[string]string{}
	for name, text := range texts {
		paths[name] = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(paths[name], text, 0o600))
	}
	return paths
}

// TestOpen opens the backend by name with each field that it uses.
func TestOpen(t *testing.T) {
	t.Parallel()
	a := servertest.NewAuthority(t)
	keyed := a.Certificate(t, "server")
	clientCert, clientKey := a.Issue(t, "client")
	paths := files(t, map[string][]byte{"ca": a.PEM(), "cert": clientCert, "key": clientKey})
	token, tokens := loadTokens(t)

	plain := serve(t, memory.New(memory.Options{}), "unix", server.Options{})
	t.Cleanup(func() { plain.stop(t) })
	secure := start(t, server.Options{TLS: &tls.Config{Certificates: []tls.Certificate{keyed}}, Tokens: tokens})
	mutual := start(t, server.Options{TLS: &tls.Config{Certificates: []tls.Certificate{keyed}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.Pool()}})
	localhost := "localhost" + secure.options.Address[strings.LastIndexByte(secure.options.Address, ':'):]

	for name, c := range map[string]backend.Config{
		"a socket":        {Address: plain.options.Address},
		"a transport":     {Address: plain.options.Address, Transport: "unix"},
		"TLS and a token": {Address: secure.options.Address, TLS: &backend.TLS{CA: paths["ca"]}, Token: token},
		"a host's name":   {Address: localhost, Transport: "tcp", TLS: &backend.TLS{CA: paths["ca"]}, Token: token},
		"a server's name": {Address: secure.options.Address, TLS: &backend.TLS{CA: paths["ca"], ServerName: "localhost"}, Token: token},
		"a certificate":   {Address: mutual.options.Address, TLS: &backend.TLS{CA: paths["ca"], Cert: paths["cert"], Key: paths["key"]}},
		"a logger":        {Address: plain.options.Address, Logger: zap.NewNop()},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := backend.Open(t.Context(), "network", c)
			require.NoError(t, err)
			_, err = b.WriteFact(t.Context(), backend.Fact{ID: name, Store: "s", Value: []byte("1")})
			require.NoError(t, err)
			require.NoError(t, b.Close())
		})
	}
}

// TestOpenStrictly opens the backend with fields that it can't use.
func TestOpenStrictly(t *testing.T) {
	t.Parallel()
	a := servertest.NewAuthority(t)
	cert, key := a.Issue(t, "client")
	_, otherKey := a.Issue(t, "client")
	paths := files(t, map[string][]byte{"ca": a.PEM(), "cert": cert, "key": key, "other": otherKey, "empty": nil})
	missing := filepath.Join(t.TempDir(), "missing")
	address := start(t, server.Options{}).options.Address
	for name, c := range map[string]struct {
		backend.Config
		says string
		is   error
	}{
		"a path":                {backend.Config{Address: address, Path: "p"}, "path", backend.ErrInvalid},
		"a setting":             {backend.Config{Address: address, Settings: map[string]any{"retries": 3}}, "retries", backend.ErrInvalid},
		"an address in them":    {backend.Config{Settings: map[string]any{"address": address}}, "address", backend.ErrInvalid},
		"no address":            {backend.Config{}, "address", backend.ErrInvalid},
		"no port":               {backend.Config{Address: "localhost"}, `"localhost" is not host:port`, backend.ErrInvalid},
		"an empty port":         {backend.Config{Address: "localhost:"}, `"localhost:" is not host:port`, backend.ErrInvalid},
		"an IPv6 host alone":    {backend.Config{Address: "::1"}, `[::1]:7400`, backend.ErrInvalid},
		"another transport":     {backend.Config{Address: address, Transport: "quic"}, "quic", backend.ErrInvalid},
		"no file of CAs":        {backend.Config{Address: address, TLS: &backend.TLS{CA: missing}}, missing, os.ErrNotExist},
		"no CA in it":           {backend.Config{Address: address, TLS: &backend.TLS{CA: paths["empty"]}}, paths["empty"], backend.ErrInvalid},
		"no key":                {backend.Config{Address: address, TLS: &backend.TLS{Cert: paths["cert"]}}, "tls.cert", backend.ErrInvalid},
		"no certificate":        {backend.Config{Address: address, TLS: &backend.TLS{Key: paths["key"]}}, "tls.cert", backend.ErrInvalid},
		"no file of it":         {backend.Config{Address: address, TLS: &backend.TLS{Cert: missing, Key: paths["key"]}}, missing, os.ErrNotExist},
		"another one's key":     {backend.Config{Address: address, TLS: &backend.TLS{Cert: paths["cert"], Key: paths["other"]}}, "certificate", nil},
		"TLS where none exists": {backend.Config{Address: address, TLS: &backend.TLS{CA: paths["ca"]}}, address, backend.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := backend.Open(t.Context(), "network", c.Config)
			require.ErrorContains(t, err, c.says)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
		})
	}
}

// TestTooLarge writes facts above the limit of the server: the client sends nothing, and the connection stays.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{MaxFrame: 4096})
	c := connect(t, s.options)
	for _, size := range []int{3990, 4096, 5000, 100_000} {
		f := numbered(1)
		f.Value = []byte(`"` + strings.Repeat("x", size) + `"`)
		_, err := c.WriteFact(t.Context(), f)
		require.ErrorIs(t, err, backend.ErrTooLarge)
		require.ErrorContains(t, err, "4096 bytes")
		_, err = write(t.Context(), c, numbered(2), f)
		require.ErrorIs(t, err, backend.ErrTooLarge)
		f = numbered(1)
		f.Producer = []byte(`"` + strings.Repeat("x", size) + `"`)
		_, err = c.WriteFact(t.Context(), f)
		require.ErrorIs(t, err, backend.ErrTooLarge)
	}
	require.Empty(t, contents(t, s.log))
	_, err := c.WriteFact(t.Context(), numbered(1))
	require.NoError(t, err)
	stats, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(1), stats.Connection.Connects)
	require.Zero(t, s.server.Metrics().Errors["too_large"])
}

// TestDrainedClient shuts a server down while a client is idle: the client logs the server's reason.
func TestDrainedClient(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{})
	core, logged := observer.New(zap.WarnLevel)
	o := hasty(s.options)
	o.Logger = zap.New(core)
	connect(t, o)
	require.NoError(t, s.server.Shutdown(t.Context()))
	require.Eventually(t, func() bool { return logged.FilterMessage("the connection was lost").Len() == 1 }, eventually, tick)
	require.Contains(t, logged.All()[0].ContextMap()["error"], "the server is being shut down")
}

// TestConnectionState checks what Stats and the log say about the connection.
func TestConnectionState(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{})
	p := startProxy(t, s.options.Address)
	core, logged := observer.New(zap.DebugLevel)
	o := hasty(p.through(s.options))
	o.Logger = zap.New(core)
	c := connect(t, o)
	_, err := c.WriteFact(t.Context(), numbered(1))
	require.NoError(t, err)
	first, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 1, 1}, []uint64{first.FirstSeq, first.LastSeq, first.Facts})
	x := first.Connection
	require.Equal(t, backend.Connection{Address: "tcp://" + o.Address, Up: true, Since: x.Since, Protocol: 2, Server: "igniter-go/0.1", Connects: 1}, *x)
	require.False(t, x.Since.IsZero())
	require.Equal(t, 1, logged.FilterMessage("connected").Len())

	p.cut() // without calls in flight; the client still notices
	require.Eventually(t, func() bool { return logged.FilterMessage("the connection was lost").Len() == 1 }, eventually, tick)
	ctx := canceled(t)
	down, err := c.Stats(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, down.Connection.Up)
	require.Equal(t, 2, down.Connection.Protocol)
	require.NotEmpty(t, down.Connection.LastError)
	require.False(t, down.Connection.Since.Before(x.Since))

	up, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.True(t, up.Connection.Up)
	require.Equal(t, uint64(2), up.Connection.Connects)
	require.Equal(t, down.Connection.LastError, up.Connection.LastError, "why the last one was lost")
	require.False(t, up.Connection.Since.Before(down.Connection.Since))
	require.Equal(t, 2, logged.FilterMessage("connected").Len())

	p.rules(func(f passing) action { return action{fate: isCut} })
	p.cut()
	for logged.FilterMessage("an attempt failed").Len() == 0 { // on a busy machine, one call may be too short for an attempt
		short, cancel := context.WithTimeout(t.Context(), 50*tick)
		_, err = c.WriteFact(short, numbered(2))
		cancel()
		require.ErrorIs(t, err, backend.ErrUnavailable)
	}
	p.rules(nil)
}
