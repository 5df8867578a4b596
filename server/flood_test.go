// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// TestManyIdleConnections keeps as many idle connections as the limit on descriptors allows, up to 10,000, some of them in
// the middle of a frame, while one connection works.
func TestManyIdleConnections(t *testing.T) {
	n := min(10_000, spareDescriptors(t)/2)
	if raceEnabled { // the race detector follows at most some 8,000 goroutines
		n = min(n, 2000)
	}
	s := serve(t, "unix", memory.New(memory.Options{}), server.Options{})
	other := newBystander(s)
	before := live()
	conns := make([]net.Conn, n)
	for i := range conns {
		nc, err := net.Dial(s.network, s.address)
		require.NoError(t, err)
		defer nc.Close()
		if i%2 == 0 {
			_, err = nc.Write(framesOf(`{"op":"ping"}`)[:1+i%15])
			require.NoError(t, err)
		}
		conns[i] = nc
	}
	eventually(t, "all are there", func() bool { return s.Metrics().Connections == n+1 })
	after := live()
	each := (after - min(before, after)) / uint64(n)
	t.Logf("%d connections, both ends: %d bytes of heap each", n, each)
	require.Less(t, each, uint64(16<<10), "bytes for an idle connection, both ends")
	other.requireUndisturbed()
	for _, nc := range conns {
		require.NoError(t, nc.Close())
	}
	eventually(t, "all are gone", func() bool { return s.Metrics().Connections == 1 })
	other.requireUndisturbed()
}

// TestConnectionLimit: clients beyond the limit get an error, whatever they send meanwhile. When some connections end,
// other clients are let in.
func TestConnectionLimit(t *testing.T) {
	serverTLS, clientTLS := tlsPair(t)
	for _, network := range []string{"tcp", "unix", "tls"} {
		t.Run(network, func(t *testing.T) {
			opts := server.Options{MaxConnections: 3}
			if network == "tls" {
				opts.TLS = serverTLS
			}
			s := serve(t, map[string]string{"tcp": "tcp", "unix": "unix", "tls": "tcp"}[network], memory.New(memory.Options{}), opts)
			dial := s.dial
			if network == "tls" {
				dial = func() *peer { return s.dialTLS(clientTLS) }
			}
			var in []*peer
			for range 3 {
				p := dial()
				p.requireAlive()
				in = append(in, p)
			}
			for i := range 10 {
				p := dial()
				if i%2 == 0 {
					p.send(`{"op":"hello","protocol":2}`, strings.Repeat(" ", 1<<10)+"{}")
				}
				a := answerOf(t, p.next())
				require.Equal(t, "unavailable", a.Code)
				require.Contains(t, a.Error, "3 connections")
				p.requireEnd()
			}
			for _, p := range in {
				p.requireAlive()
			}
			require.Equal(t, uint64(10), s.Metrics().Rejected)
			require.NoError(t, in[0].Close())
			eventually(t, "there is room", func() bool { return s.Metrics().Connections == 2 })
			dial().requireAlive()
		})
	}
}

// TestClientsThatDoNotRead: clients that send requests without end, or subscribe, and read nothing, are cut off. The server
// logs why, and serves others meanwhile.
func TestClientsThatDoNotRead(t *testing.T) {
	requests := framesOf(strings.Split(strings.Repeat(`{"op":"stats"};`, 1000), ";")[:1000]...)
	for name, begin := range map[string]string{"requests": "", "subscription": `{"op":"subscribe"}`, "replay": `{"op":"replay"}`} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprint(name, " of version ", version), func(t *testing.T) {
				t.Parallel()
				core, logs := observer.New(zap.WarnLevel)
				log := memory.New(memory.Options{})
				s := serve(t, "unix", log, server.Options{WriteTimeout: 100 * time.Millisecond, Logger: zap.New(core)})
				other := s.dial2()
				p := s.dial()
				if version == 2 {
					p.hello("")
				}
				big := `"` + strings.Repeat("x", 256<<10) + `"`
				if name == "replay" {
					for i := range 8 {
						s.write(backend.Fact{ID: fmt.Sprint("r", i), Store: "big", Value: []byte(big)})
					}
				}
				if begin != "" {
					p.send(begin)
				}
				var stop atomic.Bool
				var sender sync.WaitGroup
				sender.Go(func() {
					for i := 0; !stop.Load(); i++ {
						var err error
						switch name {
						case "requests":
							_, err = p.Write(requests)
						case "subscription":
							_, err = log.WriteFact(context.Background(), backend.Fact{ID: fmt.Sprint("s", i), Store: "big", Value: []byte(big)})
							if i > 64 {
								return // sockets hold less
							}
						default:
							return
						}
						if err != nil {
							return
						}
					}
				})
				eventually(t, "the client is cut off", func() bool {
					other.requireAlive()
					return s.Metrics().CutOff == 1
				})
				eventually(t, "its connection is closed", func() bool { return s.Metrics().Connections == 1 })
				stop.Store(true)
				_ = p.Close()
				sender.Wait()
				cut := logs.FilterMessageSnippet("was cut off").All()
				require.Len(t, cut, 1)
				require.Equal(t, 100*time.Millisecond, cut[0].ContextMap()["timeout"])
				require.Contains(t, cut[0].ContextMap(), "client")
				other.requireAlive()
				require.Zero(t, s.Metrics().Subscriptions)
			})
		}
	}
}

// TestRequestsReadAhead: from a client that does not read, the server takes only as many requests, and bytes of requests,
// as the options say.
func TestRequestsReadAhead(t *testing.T) {
	const body = `{"op":"ping"}`
	for name, opts := range map[string]server.Options{
		"requests": {MaxRequests: 10},
		"bytes":    {MaxBuffered: 10 * len(body)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts.WriteTimeout = time.Minute
				s, l := servePipe(t, opts, nil)
				p := l.dial(t)
				p.send(strings.Split(strings.Repeat(body+" ", 100), " ")[:100]...)
				synctest.Wait()
				require.Equal(t, uint64(10), s.Metrics().Requests["ping"])
				var sender sync.WaitGroup
				sender.Go(func() {
					for {
						if _, err := p.Write(framesOf(body)); err != nil {
							return
						}
					}
				})
				time.Sleep(2 * time.Minute)
				require.Equal(t, uint64(10), s.Metrics().Requests["ping"])
				require.Equal(t, uint64(1), s.Metrics().CutOff)
				sender.Wait()
			})
		})
	}
}

// A scarceListener can't accept for a while.
type scarceListener struct {
	*pipeListener
	fails int
	err   error
	times []time.Time // of failures
}

func (l *scarceListener) Accept() (net.Conn, error) {
	if len(l.times) < l.fails {
		l.times = append(l.times, time.Now())
		return nil, &net.OpError{Op: "accept", Net: "pipe", Err: os.NewSyscallError("accept4", l.err)}
	}
	return l.pipeListener.Accept()
}

// TestAcceptFails: Serve goes on after temporary failures, at growing intervals, and ends with any other one.
func TestAcceptFails(t *testing.T) {
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED} {
		synctest.Test(t, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			l := &scarceListener{pipeListener: newPipeListener(), fails: 12, err: err}
			s := serveOn(t, l, memory.New(memory.Options{}), server.Options{Logger: zap.New(core)})
			l.dial(t).requireAlive()
			require.Len(t, l.times, 12)
			first, last := l.times[1].Sub(l.times[0]), l.times[11].Sub(l.times[10])
			require.Greater(t, last, first)
			require.LessOrEqual(t, last, 2*time.Second)
			require.Equal(t, 12, logs.FilterMessageSnippet("can't be accepted").Len())
			require.Equal(t, server.Ready, s.Status())
		})
	}
	l := &scarceListener{pipeListener: newPipeListener(), fails: 1, err: syscall.EINVAL}
	s := server.New(memory.New(memory.Options{}), server.Options{})
	require.ErrorIs(t, s.Serve(l), syscall.EINVAL)
	require.NoError(t, s.Close())

	// While it waits, it can be ended.
	synctest.Test(t, func(t *testing.T) {
		l := &scarceListener{pipeListener: newPipeListener(), fails: 1 << 30, err: syscall.EMFILE}
		s := serveOn(t, l, memory.New(memory.Options{}), server.Options{})
		time.Sleep(time.Minute)
		start := time.Now()
		require.NoError(t, s.Close())
		require.Zero(t, time.Since(start))
	})
}

// TestOutOfDescriptors lets a separate process run out of descriptors.
func TestOutOfDescriptors(t *testing.T) {
	if os.Getenv("IGNITER_FEW_DESCRIPTORS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestOutOfDescriptors$", "-test.v")
		cmd.Env = append(os.Environ(), "IGNITER_FEW_DESCRIPTORS=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.NotContains(t, string(out), "SKIP")
		return
	}
	core, logs := observer.New(zap.WarnLevel)
	s := serve(t, "unix", memory.New(memory.Options{}), server.Options{Logger: zap.New(core)})
	other := newBystander(s)
	limitDescriptors(t, openDescriptors(t)+41)
	var conns []net.Conn
	for {
		nc, err := net.Dial(s.network, s.address)
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		require.NoError(t, err)
		conns = append(conns, nc)
	}
	eventually(t, "it has run out", func() bool { return logs.FilterMessageSnippet("can't be accepted").Len() > 2 })
	other.requireUndisturbed()
	require.Equal(t, server.Ready, s.Status())
	for _, nc := range conns {
		require.NoError(t, nc.Close())
	}
	s.dial().requireAlive()
	other.requireUndisturbed()
}
