// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/internal/gone"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/internal/servertest"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/wire"
)

// accept listens on a free port and gives each connection to handle, which must end with it.
func accept(t testing.TB, handle func(net.Conn)) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, nc)
			mu.Unlock()
			running.Go(func() {
				defer nc.Close()
				handle(nc)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, nc := range conns {
			_ = nc.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().String()
}

// answering returns a handler that answers every request with the same body.
func answering(body string) func(net.Conn) {
	return func(nc net.Conn) {
		in := wire.NewReader(nc, 0)
		for {
			if _, err := in.Next(); err != nil {
				return
			}
			if _, err := nc.Write(wire.AppendFrame(nil, []byte(body))); err != nil {
				return
			}
		}
	}
}

func silent(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }

// loadTokens returns tokens with one entry, which may do everything, or only what rights grant.
func loadTokens(t testing.TB, rights ...string) (token string, tokens *auth.Tokens) {
	token, entry := auth.NewToken("admin")
	if rights == nil {
		rights = []string{"read: ['*']", "write: ['*']", "admin: true"}
	}
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	require.NoError(t, os.WriteFile(path, []byte("- {name: admin, sha256: "+entry.SHA256+", "+strings.Join(rights, ", ")+"}\n"), 0o600))
	tokens, err := auth.LoadTokens(path)
	require.NoError(t, err)
	return token, tokens
}

// TestDialErrors dials addresses without a server, and servers that reject the client.
func TestDialErrors(t *testing.T) {
	t.Parallel()
	a := servertest.NewAuthority(t)
	serverTLS, clientTLS := pair(t)
	wantsCert := serverTLS.Clone()
	wantsCert.ClientAuth, wantsCert.ClientCAs = tls.RequireAndVerifyClientCert, a.Pool()
	strange := servertest.NewAuthority(t).Certificate(t, "stranger")
	withStrange := clientTLS.Clone()
	withStrange.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &strange, nil }
	_, tokens := loadTokens(t)

	plain := start(t, server.Options{}).options.Address
	secure := startLog(t, memory.New(memory.Options{}), server.Options{TLS: serverTLS}).options.Address
	closed := startLog(t, memory.New(memory.Options{}), server.Options{TLS: wantsCert}).options.Address
	guarded := start(t, server.Options{Tokens: tokens}).options.Address
	done, cancel := context.WithCancel(t.Context())
	cancel()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	nobody := "127.0.0.1:1"
	ctx := t.Context()

	for name, c := range map[string]struct {
		ctx  context.Context
		o    network.Options
		is   []error
		not  []error
		says []string
	}{
		"nobody listens":           {ctx, network.Options{Address: nobody}, []error{backend.ErrUnavailable, syscall.ECONNREFUSED}, nil, []string{"tcp://" + nobody + ": dial tcp"}},
		"no socket":                {ctx, network.Options{Address: filepath.Join(shortDir(t), "s")}, []error{backend.ErrUnavailable, os.ErrNotExist}, nil, []string{"unix:///"}},
		"context done":             {done, network.Options{Address: plain}, []error{backend.ErrUnavailable, context.Canceled}, nil, nil},
		"silence, and a deadline":  {short, network.Options{Address: accept(t, silent)}, []error{backend.ErrUnavailable, context.DeadlineExceeded}, nil, []string{"no answer"}},
		"silence":                  {ctx, network.Options{Address: accept(t, silent), DialTimeout: 20 * time.Millisecond}, []error{backend.ErrUnavailable}, []error{context.DeadlineExceeded}, []string{"no answer"}},
		"it hangs up":              {ctx, network.Options{Address: accept(t, func(net.Conn) {})}, []error{backend.ErrUnavailable}, nil, []string{"say hello"}},
		"wrong token":              {ctx, network.Options{Address: guarded, Token: "wrong"}, []error{backend.ErrUnauthenticated}, []error{backend.ErrUnavailable}, []string{"the token is not known"}},
		"TLS where none exists":    {ctx, network.Options{Address: plain, TLS: clientTLS}, []error{backend.ErrUnavailable}, nil, []string{"tcp+tls://" + plain, "TLS"}},
		"no TLS where there is":    {ctx, network.Options{Address: secure}, []error{backend.ErrUnavailable}, nil, []string{"does it want TLS"}},
		"an authority not trusted": {ctx, network.Options{Address: secure, TLS: &tls.Config{RootCAs: a.Pool()}}, nil, []error{backend.ErrUnavailable}, []string{"certificate"}},
		"another name":             {ctx, network.Options{Address: secure, TLS: &tls.Config{RootCAs: clientTLS.RootCAs, ServerName: "other.example"}}, nil, []error{backend.ErrUnavailable}, []string{"other.example"}},
		"no certificate":           {ctx, network.Options{Address: closed, TLS: clientTLS}, []error{backend.ErrUnauthenticated}, []error{backend.ErrUnavailable}, []string{"certificate"}},
		"a stranger's certificate": {ctx, network.Options{Address: closed, TLS: withStrange}, []error{backend.ErrUnauthenticated}, []error{backend.ErrUnavailable}, []string{"certificate"}},
		"it speaks HTTP":           {ctx, network.Options{Address: httpServer(t)}, []error{backend.ErrUnavailable}, []error{backend.ErrCorrupt}, []string{`no Igniter server`, `"HTTP/1.1 400 Bad`}},
		"an echo":                  {ctx, network.Options{Address: accept(t, func(nc net.Conn) { _, _ = io.Copy(nc, nc) })}, []error{backend.ErrInvalid}, nil, []string{"answer"}},
		"a version to come":        {ctx, network.Options{Address: accept(t, answering(`{"ok":true,"protocol":3,"max_frame":9}`))}, []error{backend.ErrInvalid}, nil, []string{"version 3"}},
		"a server without a limit": {ctx, network.Options{Address: accept(t, answering(`{"ok":true,"protocol":2}`))}, []error{backend.ErrInvalid}, nil, []string{"limit of 0"}},
		"no room":                  {ctx, network.Options{Address: accept(t, answering(`{"ok":false,"error_code":"unavailable","error":"no room"}`))}, []error{backend.ErrUnavailable}, nil, []string{"no room"}},
		"no address":               {ctx, network.Options{}, []error{backend.ErrInvalid}, nil, []string{"address"}},
		"an unknown transport":     {ctx, network.Options{Address: plain, Transport: "udp"}, []error{backend.ErrInvalid}, nil, []string{"udp"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := network.Dial(c.ctx, c.o)
			require.Error(t, err)
			for _, target := range c.is {
				require.ErrorIs(t, err, target)
			}
			for _, target := range c.not {
				require.NotErrorIs(t, err, target)
			}
			for _, text := range append(c.says, "network: dial") {
				require.Contains(t, err.Error(), text)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func httpServer(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	return l.Addr().String()
}

// every returns every method of a client, by name.
func every(c backend.Log) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"WriteFact": func(ctx context.Context) error { _, err := c.WriteFact(ctx, numbered(1)); return err },
		"Write":     func(ctx context.Context) error { _, err := write(ctx, c, batchOf(2, 3)...); return err },
		"Write of several": func(ctx context.Context) error {
			all := c.Write(ctx, backend.Batch{Facts: batchOf(4, 4)}, backend.Batch{Facts: batchOf(5, 6)})
			if (all[0].Err == nil) != (all[1].Err == nil) {
				return fmt.Errorf("one batch is written and one is not: %v, %v", all[0].Err, all[1].Err)
			}
			return all[1].Err
		},
		"Replay":        func(ctx context.Context) error { _, err := collect(c.Replay(ctx, after(0))); return err },
		"Follow":        func(ctx context.Context) error { _, err := collect(c.Follow(ctx, after(0))); return err },
		"ReplayFrames":  func(ctx context.Context) error { return lastError(c.(wire.Framer).ReplayFrames(ctx, after(0))) },
		"FollowFrames":  func(ctx context.Context) error { return lastError(c.(wire.Framer).FollowFrames(ctx, after(0))) },
		"WriteSnapshot": func(ctx context.Context) error { return c.WriteSnapshot(ctx, 0) },
		"Prune": func(ctx context.Context) error {
			_, err := c.Prune(ctx, slices.Values([]uint64{9}), backend.Horizon{})
			return err
		},
		"Stats": func(ctx context.Context) error { _, err := c.Stats(ctx); return err },
	}
}

func lastError(loop iter.Seq2[wire.Frames, error]) (err error) {
	for _, err = range loop {
	}
	return err
}

// TestNoToken calls a server without the token that it requires: every call fails at once.
func TestNoToken(t *testing.T) {
	t.Parallel()
	token, tokens := loadTokens(t)
	s := start(t, server.Options{Tokens: tokens})
	for name, call := range every(connect(t, s.options)) {
		require.ErrorIs(t, call(t.Context()), backend.ErrUnauthenticated, name)
	}
	s.options.Token = token
	for name, call := range every(connect(t, s.options)) {
		if !strings.HasPrefix(name, "Follow") { // Follow would go on
			require.NoError(t, call(t.Context()), name)
		}
	}
}

// TestUnavailable calls a server that is gone and then comes back.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	s := serve(t, memory.New(memory.Options{}), "tcp", server.Options{})
	o := hasty(s.options)
	var giveUp atomic.Pointer[context.CancelFunc]
	var failed atomic.Int32
	o.Logger = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zap.DebugLevel), zap.Hooks(func(e zapcore.Entry) error {
		if e.Message == "an attempt failed" && failed.Add(1)%3 == 0 { // the first may report the lost connection
			(*giveUp.Load())()
		}
		return nil
	}))
	c := connect(t, o)
	s.stop(t)
	for name, call := range every(c) {
		ctx, cancel := context.WithCancel(t.Context())
		failed.Store(0)
		giveUp.Store(&cancel)
		err := call(ctx)
		require.ErrorIs(t, err, backend.ErrUnavailable, name)
		require.ErrorIs(t, err, context.Canceled, name)
		require.ErrorIs(t, err, syscall.ECONNREFUSED, name)
		require.Regexp(t, `^network: .*tcp://`+s.options.Address+`, after \d+ attempts: .*connection refused.*: context canceled$`, err.Error())
		short, end := context.WithTimeout(t.Context(), 5*tick)
		err = call(short)
		end()
		require.ErrorIs(t, err, backend.ErrUnavailable, name)
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.ErrorIs(t, call(canceled(t)), context.Canceled, name)
	}
	gone.Check(t, c, s.options.Address)
	stats, err := c.Stats(canceled(t))
	require.Error(t, err)
	require.False(t, stats.Connection.Up)
	require.NotEmpty(t, stats.Connection.LastError)
	require.Equal(t, 2, stats.Connection.Protocol)

	l, err := server.Listen("tcp", s.options.Address)
	require.NoError(t, err)
	again := server.New(memory.New(memory.Options{}), server.Options{})
	done := make(chan error, 1)
	go func() { done <- again.Serve(l) }()
	for name, call := range every(c) {
		if !strings.HasPrefix(name, "Follow") {
			require.NoError(t, call(t.Context()), name)
		}
	}
	require.NoError(t, again.Close())
	require.NoError(t, <-done)
}

// TestUnavailableToAll calls a server that is gone from several goroutines: each error says why the server can't be
// reached, although only one caller tries.
func TestUnavailableToAll(t *testing.T) {
	t.Parallel()
	s := serve(t, memory.New(memory.Options{}), "tcp", server.Options{})
	o := hasty(s.options)
	tried := make(chan struct{})
	var once sync.Once
	o.Logger = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zap.DebugLevel), zap.Hooks(func(e zapcore.Entry) error {
		if e.Message == "an attempt failed" {
			once.Do(func() { close(tried) })
		}
		return nil
	}))
	c := connect(t, o)
	s.stop(t)
	require.Eventually(t, func() bool { // a first attempt may only see the end of the connection
		stats, _ := c.Stats(canceled(t))
		return !stats.Connection.Up
	}, time.Minute, tick)
	ctx, cancel := context.WithCancel(t.Context())
	trying := make(chan error, 1)
	go func() {
		_, err := c.WriteFact(ctx, numbered(1))
		trying <- err
	}()
	<-tried
	short, end := context.WithTimeout(t.Context(), tick)
	defer end()
	_, err := c.WriteFact(short, numbered(2))
	require.ErrorIs(t, err, backend.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	cancel()
	require.ErrorIs(t, <-trying, syscall.ECONNREFUSED)
}

// canceled returns a context that has ended.
func canceled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestWithoutConnection calls while an attempt to connect hangs: every call ends with its context, both the call that
// connects and the calls that wait for it.
func TestWithoutConnection(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{})
	p := startProxy(t, s.options.Address)
	c := connect(t, hasty(p.through(s.options)))
	stalled := make(chan struct{}, 100)
	p.rules(func(f passing) action {
		if f.up && f.op == protocol.OpHello {
			stalled <- struct{}{}
			return action{fate: stalls}
		}
		return action{}
	})
	p.cut()
	for name, call := range every(c) {
		first, cancelFirst := context.WithCancel(t.Context())
		second, cancelSecond := context.WithCancel(t.Context())
		errs := [2]chan error{make(chan error, 1), make(chan error, 1)}
		go func() { errs[0] <- call(first) }()
		<-stalled
		go func() { errs[1] <- call(second) }()
		cancelSecond()
		require.ErrorIs(t, <-errs[1], context.Canceled, name)
		cancelFirst()
		err := <-errs[0]
		require.ErrorIs(t, err, context.Canceled, name)
		require.ErrorIs(t, err, backend.ErrUnavailable, name)
		require.False(t, strings.Contains(err.Error(), "\n"), err.Error())
		for len(stalled) > 0 {
			<-stalled
		}
	}
	p.rules(nil)
	_, err := c.Stats(t.Context())
	require.NoError(t, err)
}
