// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"crypto/tls"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
)

// TestListenOnSocketFiles: Listen replaces the socket file of a dead server, and no other file.
func TestListenOnSocketFiles(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	require.FileExists(t, path)

	l, err := server.Listen("unix", path)
	require.NoError(t, err, "nobody listens there any more")
	s := serveOn(t, l, memory.New(memory.Options{}), server.Options{})
	s.dial().requireAlive()

	_, err = server.Listen("unix", path)
	require.ErrorContains(t, err, "another server")
	require.ErrorContains(t, err, path)
	s.dial().requireAlive()
	s.stop()
	require.NoFileExists(t, path)

	for name, make := range map[string]func() error{
		"a file":               func() error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"a directory":          func() error { return os.Mkdir(path, 0o700) },
		"a link to somewhere":  func() error { return os.Symlink("/dev/null", path) },
		"a link to nowhere":    func() error { return os.Symlink(path+"-", path) },
		"a directory of files": func() error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
	} {
		require.NoError(t, make())
		before, err := os.Lstat(path)
		require.NoError(t, err)
		_, err = server.Listen("unix", path)
		require.ErrorContains(t, err, path, name)
		after, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, before.Mode(), after.Mode(), name)
		require.NoError(t, os.RemoveAll(path))
	}
	_, err = server.Listen("unix", filepath.Join(filepath.Dir(path), "none", "s"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = server.Listen("carrier pigeon", "x")
	require.ErrorContains(t, err, "carrier pigeon")
}

// An elsewhere is a listener that reports another address.
type elsewhere struct {
	net.Listener
	addr net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.addr }

// TestOpenBeyondLoopback: without tokens or certificates, Serve refuses listeners beyond loopback.
func TestOpenBeyondLoopback(t *testing.T) {
	a := servertest.NewAuthority(t)
	file := newTokenFile(t, admin)
	certs := []tls.Certificate{a.Certificate(t, "server")}
	for name, x := range map[string]struct {
		opts    server.Options
		address string
		refused bool
	}{
		"all addresses":               {server.Options{}, "0.0.0.0", true},
		"all addresses, IPv6":         {server.Options{}, "::", true},
		"one address":                 {server.Options{}, "192.0.2.1", true},
		"TLS alone":                   {server.Options{TLS: &tls.Config{Certificates: certs}}, "192.0.2.1", true},
		"certificates not wanted":     {server.Options{TLS: &tls.Config{Certificates: certs, ClientAuth: tls.VerifyClientCertIfGiven}}, "192.0.2.1", true},
		"certificates not looked at":  {server.Options{TLS: &tls.Config{Certificates: certs, ClientAuth: tls.RequireAnyClientCert}}, "192.0.2.1", true},
		"insecure":                    {server.Options{Insecure: true}, "0.0.0.0", false},
		"tokens":                      {server.Options{Tokens: file.Tokens}, "0.0.0.0", false},
		"client certificates":         {server.Options{TLS: &tls.Config{Certificates: certs, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.Pool()}}, "0.0.0.0", false},
		"loopback":                    {server.Options{}, "127.0.0.1", false},
		"another address of loopback": {server.Options{}, "127.3.2.1", false},
		"loopback, IPv6":              {server.Options{}, "::1", false},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := server.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			s := server.New(memory.New(memory.Options{}), x.opts)
			done := make(chan error, 1)
			go func() { done <- s.Serve(elsewhere{l, &net.TCPAddr{IP: net.ParseIP(x.address), Port: 1}}) }()
			if x.refused {
				require.ErrorContains(t, <-done, "insecure")
				_, err := l.Accept()
				require.ErrorIs(t, err, net.ErrClosed)
				require.Equal(t, server.Ready, s.Status())
				require.NoError(t, s.Close())
				return
			}
			nc, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			defer nc.Close()
			eventually(t, "it is served", func() bool { return s.Metrics().Accepted == 1 })
			require.NoError(t, s.Close())
			require.NoError(t, <-done)
		})
	}
}
