// SPDX-License-Identifier: Apache-2.0

// Package servertest is for tests. It serves logs.
package servertest

import (
	"sync"
	"testing"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/server"
)

// A Server serves a log to the clients of a test.
type Server struct {
	*server.Server
	Network, Address string

	stop func()
}

// Serve serves a log at an address of a network, "tcp" or "unix", until the test ends or Stop is called. An empty address is a
// free port of this machine. The log stays open.
func Serve(t testing.TB, log backend.Backend, network, address string, opts server.Options) *Server {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := server.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Server: server.New(log, opts), Network: network, Address: l.Addr().String()}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	s.stop = sync.OnceFunc(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// Stop ends the server and all its connections. Calling it again does nothing.
func (s *Server) Stop() { s.stop() }
