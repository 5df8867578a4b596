// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
	"github.com/igniter-store/igniter/internal/linear"
	"github.com/igniter-store/igniter/internal/pgserver"
)

// urlEnv is the environment variable with the URL of the servers, for processes that a test starts.
const urlEnv = "CLUSTERTEST_URL"

// waitFor limits the wait for a condition.
const waitFor = 30 * time.Second

func soak() bool { return os.Getenv("IGNITER_SOAK") != "" }

// startServer starts one server with JetStream in a directory.
func startServer(t testing.TB, dir string, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{ServerName: "one", Host: "127.0.0.1", Port: port(t, freeAddress(t)), JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(waitFor))
	return s
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// one returns the URL of a server that all tests share.
var one = sync.OnceValue(func() string {
	if url := os.Getenv(urlEnv); url != "" {
		return url
	}
	dir, err := os.MkdirTemp("", "igniter-nats-")
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{ServerName: "shared", Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		panic(err)
	}
	s.Start()
	if !s.ReadyForConnections(waitFor) {
		panic("the NATS server does not start")
	}
	stopShared = func() {
		stopServer(s)
		_ = os.RemoveAll(dir)
	}
	_ = os.Setenv(urlEnv, s.ClientURL()) // for processes that tests start
	return s.ClientURL()
})

var stopShared = func() {}

func TestMain(m *testing.M) {
	if linear.IsWorker() {
		if err := race(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	stopShared()
	pgserver.Clean()
	os.Exit(code)
}

// nameOf returns the name of the log in a directory.
func nameOf(dir string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(dir)))[:20] }

// open opens a log with one replica.
func open(t testing.TB, url, log string) backend.Log {
	t.Helper()
	l, err := jetstream.Open(context.WithoutCancel(t.Context()), jetstream.Options{URL: url, Log: log, Replicas: 1})
	require.NoError(t, err)
	return l
}

// connect returns a connection for the test, which is closed when the test ends.
func connect(t testing.TB, url string) (*nats.Conn, natsjs.JetStream) {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := natsjs.New(nc)
	require.NoError(t, err)
	return nc, js
}

// put writes a fact.
func put(t testing.TB, l backend.Log, id string) backend.Fact {
	t.Helper()
	f, err := l.WriteFact(t.Context(), factOf(id))
	require.NoError(t, err)
	return f
}

func factOf(id string) backend.Fact {
	return backend.Fact{ID: id, Store: "s", Key: "k", Value: []byte(`{"n":1}`)}
}

// replay returns the facts of a log, and the error that ended the loop.
func replay(t testing.TB, l backend.Log) (facts []backend.Fact, err error) {
	for p, err := range l.Replay(context.WithoutCancel(t.Context()), backend.Range{}) {
		if err != nil {
			return facts, err
		}
		facts = append(facts, p.Facts...)
	}
	return facts, nil
}

// restart starts a server again, at the same address.
func restart(t testing.TB, dir string, address net.Addr) *server.Server {
	t.Helper()
	return startServer(t, dir, func(o *server.Options) { o.Port = address.(*net.TCPAddr).Port })
}
