// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
	"github.com/igniter-store/igniter/backend/backendtest/framed"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
)

func TestMain(m *testing.M) {
	if order := os.Getenv(otherEnv); order != "" {
		if err := beOther(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// A served log is a log and the server of it.
type served struct {
	log     backend.Log
	server  *server.Server
	options network.Options
	done    chan error // of Serve
}

func (s *served) stop(t testing.TB) {
	require.NoError(t, s.server.Close())
	require.NoError(t, <-s.done)
	require.NoError(t, s.log.Close())
}

// serve serves a log on a free address.
func serve(t testing.TB, log backend.Log, transport string, opts server.Options) *served {
	t.Helper()
	opts.MaxSkew = math.MaxInt64 // the suite writes facts of the far future
	address := "127.0.0.1:0"
	if transport == "unix" {
		address = filepath.Join(shortDir(t), "s")
	}
	l, err := server.Listen(transport, address)
	require.NoError(t, err)
	s := &served{log: log, server: server.New(log, opts), done: make(chan error, 1),
		options: network.Options{Transport: transport, Address: l.Addr().String()}}
	go func() { s.done <- s.server.Serve(l) }()
	return s
}

// A place has the addresses and the log of a served test.
type place struct {
	transport string
	serverTLS *tls.Config
	clientTLS *tls.Config
	open      func(t testing.TB, dir string) backend.Log
	front     func(t testing.TB, target string) (address string) // starts a proxy for clients; nil: they connect to the server itself

	mu   sync.Mutex
	logs map[string]*served
}

// opener opens a client of the log in a directory. It opens and serves a log in files again each time; it keeps
// serving a log in memory.
func (p *place) opener(keep bool) backendtest.Opener {
	p.logs = map[string]*served{}
	return func(t testing.TB, dir string) backend.Backend {
		p.mu.Lock()
		defer p.mu.Unlock()
		s := p.logs[dir]
		if s != nil && !keep {
			s.stop(t)
			s = nil
		}
		if s == nil {
			s = serve(t, p.open(t, dir), p.transport, server.Options{TLS: p.serverTLS})
			s.options.TLS = p.clientTLS
			if p.front != nil {
				s.options.Address = p.front(t, s.options.Address)
			}
			p.logs[dir] = s
			t.Cleanup(func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.logs[dir] == s {
					s.stop(t)
				}
			})
		}
		c, err := network.Dial(context.WithoutCancel(t.Context()), s.options)
		require.NoError(t, err)
		return c
	}
}

// restore replaces the log in a directory by a restored one, and serves it at the same address.
func (p *place) restore(t testing.TB, dir string, through uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ctx := p.logs[dir], context.WithoutCancel(t.Context())
	next := t.TempDir()
	_, err := file.Restore(ctx, file.Options{Path: filepath.Join(next, "log")}, s.log.Stats, s.log.Replay(ctx, backend.Range{Through: through}))
	require.NoError(t, err)
	s.stop(t)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "log")))
	require.NoError(t, os.Rename(filepath.Join(next, "log"), filepath.Join(dir, "log")))
	s.log = p.open(t, dir)
	var l net.Listener
	require.Eventually(t, func() bool { // for a moment, a connection may have the port
		l, err = server.Listen(p.transport, s.options.Address)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	s.server, s.done = server.New(s.log, server.Options{TLS: p.serverTLS}), make(chan error, 1)
	serving, done := s.server, s.done
	go func() { done <- serving.Serve(l) }()
}

func openMemory(testing.TB, string) backend.Log { return memory.New(memory.Options{}) }

func openFile(t testing.TB, dir string) backend.Log {
	l, err := file.Open(context.WithoutCancel(t.Context()), file.Options{Path: filepath.Join(dir, "log"), Sync: file.SyncNever})
	require.NoError(t, err)
	return l
}

// inProcess excuses the client: its server is in the same process. TestRestart kills servers.
var inProcess = &backendtest.Options{InProcess: true}

func TestSuite(t *testing.T) {
	t.Parallel()
	serverTLS, clientTLS := pair(t)
	for name, p := range map[string]*place{
		"tcp/memory":  {transport: "tcp", open: openMemory},
		"unix/memory": {transport: "unix", open: openMemory},
		"tls/memory":  {transport: "tcp", open: openMemory, serverTLS: serverTLS, clientTLS: clientTLS},
		"tcp/file":    {transport: "tcp", open: openFile},
		"unix/file":   {transport: "unix", open: openFile},
		"tls/file":    {transport: "tcp", open: openFile, serverTLS: serverTLS, clientTLS: clientTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if raceEnabled && !soak() && name != "unix/memory" && name != "tls/file" {
				t.Skip("each log has its turn without this one: run it without the race detector, or with IGNITER_SOAK")
			}
			opts := &backendtest.Options{InProcess: true} // like the server; TestRestart kills servers
			if filepath.Base(name) == "file" {
				opts.Restore = p.restore
			}
			backendtest.Run(t, p.opener(filepath.Base(name) == "memory"), opts)
		})
	}
}

// TestFramesSuite runs the suite over the frames that the client yields.
func TestFramesSuite(t *testing.T) {
	t.Parallel()
	if raceEnabled && !soak() {
		t.Skip("TestSuite reads the same frames, and decodes them: run it without the race detector, or with IGNITER_SOAK")
	}
	p := &place{transport: "tcp", open: openMemory}
	open := p.opener(true)
	backendtest.Run(t, func(t testing.TB, dir string) backend.Backend { return framed.Log(open(t, dir).(framed.Framer)) }, inProcess)
}
