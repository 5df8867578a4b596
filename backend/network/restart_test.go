// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
)

// serverEnv makes a process of this test binary serve a log: it has transport, address and path.
const serverEnv = "IGNITER_NETWORK_SERVER"

// TestServerProcess serves a log for TestRestart, in a process that TestRestart kills. The process exits when its
// standard input ends.
func TestServerProcess(t *testing.T) {
	order := os.Getenv(serverEnv)
	if order == "" {
		t.Skip("this is run by another test, in a process of its own")
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	words := strings.Split(order, "\t")
	fmt.Fprintln(os.Stderr, "server:", serveFile(words[0], words[1], words[2]))
	os.Exit(1)
}

// serveFile serves a log in files until the process ends.
func serveFile(transport, address, path string) error {
	ctx := context.Background()
	log, err := file.Open(ctx, file.Options{Path: path, Sync: file.SyncAlways})
	if err != nil {
		return err
	}
	l, err := backoff.Retry(ctx, func() (net.Listener, error) { // for a moment, a connection may have the port
		l, err := server.Listen(transport, address)
		if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			err = backoff.Permanent(err)
		}
		return l, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(5*time.Millisecond)))
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return server.New(log, server.Options{Heartbeat: serverBeat}).Serve(l)
}

// A serverProcess serves a log in files until it is killed.
type serverProcess struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	stderr  bytes.Buffer
	address string
}

func startServerProcess(t testing.TB, transport, address, path string) *serverProcess {
	exe, err := os.Executable()
	require.NoError(t, err)
	p := &serverProcess{cmd: exec.Command(exe, "-test.run=^TestServerProcess$")}
	p.cmd.Env = append(os.Environ(), serverEnv+"="+transport+"\t"+address+"\t"+path)
	p.cmd.Stderr = &p.stderr
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		p.kill()
		require.NoError(t, err, p.stderr.String())
	}
	p.address = strings.TrimSpace(line)
	return p
}

// kill is kill -9.
func (p *serverProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was killed
	_ = p.stdin.Close()
}

// TestRestart repeatedly kills a server of a log in files, with kill -9, while clients write and follow, and starts it
// again on the same address. Clients reconnect and no call fails. The log has every acknowledged fact once, and
// followers get the log without gap or repeat.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "unix"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			testRestart(t, transport)
		})
	}
}

func testRestart(t *testing.T, transport string) {
	rounds := 4
	if soak() {
		rounds = 60
	}
	rng := rand.New(rand.NewPCG(seed(t), 0))
	address := "127.0.0.1:0"
	if transport == "unix" {
		address = filepath.Join(shortDir(t), "s")
	}
	path := filepath.Join(t.TempDir(), "log")
	p := startServerProcess(t, transport, address, path)
	defer func() { p.kill() }()
	o := hasty(network.Options{Transport: transport, Address: p.address})
	clients := []backend.Log{connect(t, o), connect(t, o)}

	var acks atomic.Int64
	var mu sync.Mutex
	var acked []backend.Fact
	stop := make(chan struct{})
	var writers, followers sync.WaitGroup
	for i := range 6 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				b := backend.Batch{}
				for j := range 1 + n%3 {
					b.Facts = append(b.Facts, backend.Fact{ID: fmt.Sprintf("w%d-%d-%d", i, n, j), Store: fmt.Sprintf("s%d", i%2), Key: fmt.Sprint(i), Value: []byte("1")})
				}
				held := make([]backend.Fact, 1)
				var err error
				if len(b.Facts) == 1 {
					held[0], err = clients[i%2].WriteFact(context.Background(), b.Facts[0])
				} else {
					held, err = write(context.Background(), clients[i%2], b.Facts...)
				}
				if err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
				mu.Lock()
				acked = append(acked, held...)
				mu.Unlock()
				acks.Add(1)
			}
		})
	}
	stores := [][]string{nil, {"s0"}, {"s1", "s2"}, nil}
	followed := make([][]backend.Fact, len(stores))
	for i := range followed {
		followers.Go(func() {
			for f, err := range backend.Facts(checked(clients[i%2].Follow(context.Background(), after(0, stores[i]...)))) {
				if err != nil {
					t.Errorf("follower %d: %v", i, err)
					return
				}
				followed[i] = append(followed[i], f.Clone())
				if f.Key == "end" && (stores[i] != nil || f.Store == "s1") {
					return
				}
			}
		})
	}
	for range rounds {
		target := acks.Load() + 20 + rng.Int64N(150)
		require.Eventually(t, func() bool { return acks.Load() >= target || t.Failed() }, time.Minute, time.Millisecond, "writers do not go on")
		p.kill()
		p = startServerProcess(t, transport, o.Address, path)
	}
	close(stop)
	writers.Wait()
	for _, store := range []string{"s0", "s1"} {
		_, err := clients[0].WriteFact(t.Context(), backend.Fact{ID: "end-" + store, Store: store, Key: "end", Value: []byte("1")})
		require.NoError(t, err)
	}
	followers.Wait()
	for _, c := range clients {
		stats, err := c.Stats(t.Context())
		require.NoError(t, err)
		require.Greater(t, stats.Connection.Connects, uint64(1))
	}
	p.kill()

	log, err := file.Open(t.Context(), file.Options{Path: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	held := contents(t, log)
	byID := map[string]backend.Fact{}
	for _, f := range held {
		require.NotContains(t, byID, f.ID, "a fact is there twice")
		byID[f.ID] = f
	}
	require.Len(t, acked, len(held)-2, "all that is there was acknowledged in the end, and the other way round")
	for _, f := range acked {
		same(t, []backend.Fact{byID[f.ID]}, []backend.Fact{f})
	}
	for i, facts := range followed {
		var want []backend.Fact
		for _, f := range held {
			if stores[i] == nil || slices.Contains(stores[i], f.Store) {
				want = append(want, f)
			}
		}
		same(t, want, facts)
	}
	t.Logf("%d facts, %d rounds", len(held), rounds)
}
