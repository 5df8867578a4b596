// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"

	"github.com/igniter-store/igniter/internal/pgserver"
)

// The server is killed again and again while two processes write. Writers wait for it and go on.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.Address("postgres", "postgres")
	logs := []*Log{open(t, Options{Address: a}), open(t, Options{Address: a})}
	c := startCrew(t, 8, logs...)
	n := rounds(2, 40)
	for range n {
		c.await(200 + rand.Int64N(50))
		s.Stop([]syscall.Signal{syscall.SIGKILL, syscall.SIGQUIT}[rand.IntN(2)])
		require.NoError(t, s.Start())
	}
	c.await(100)
	acked := c.stop(a, defaultLog)
	for _, l := range logs {
		require.NoError(t, l.Close())
	}
	t.Logf("the server was killed %d times, %d facts were acknowledged, 0 are lost", n, acked)
}

// Backends are killed while they commit.
func TestBackendsKilled(t *testing.T) {
	a := address(t)
	const log = "backends-killed"
	l := open(t, Options{Address: a, Log: log})
	defer l.Close()
	c := startCrew(t, 16, l)
	conn := connect(t, a)
	killed, n := 0, rounds(6, 200)
	for killed < n {
		c.await(20)
		killed += one[int](t, conn, `select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'igniter' and pid <> pg_backend_pid()
			and (query = 'commit' or state = 'idle in transaction' or wait_event = 'WALSync')`)
	}
	c.await(100)
	t.Logf("%d backends were killed, %d facts were acknowledged, 0 are lost", killed, c.stop(a, log))
}

// A cutter is a proxy for a server's socket that cuts connections at the answers to commits.
type cutter struct {
	listener net.Listener
	server   string
	cuts     atomic.Int64
	left     atomic.Int64 // the number of commits that pass before the next cut; negative: all
	rate     atomic.Int64 // of each direction of a connection, in bytes a second; 0: as fast as it can
	every    int64
	all      sync.WaitGroup
}

func startCutter(t testing.TB, s string, every int64) (c *cutter, address string) {
	dir, err := pgserver.NewDir()
	require.NoError(t, err)
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	require.NoError(t, err)
	c = &cutter{listener: l, server: filepath.Join(s, ".s.PGSQL.5432"), every: every}
	c.left.Store(every)
	c.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.all.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); c.all.Wait(); _ = os.RemoveAll(dir) })
	return c, "host=" + dir + " port=5432 user=postgres dbname=postgres"
}

func (c *cutter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	c.all.Go(func() {
		defer server.Close()
		_, _ = io.Copy(slowly{server, &c.rate}, client)
	})
	back := slowly{client, &c.rate}
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if at := bytes.Index(buf[:n], []byte("INSERT")); at >= 0 && c.left.Add(-1) == 0 {
			c.left.Store(c.every)
			c.cuts.Add(1)
			_, _ = client.Write(buf[:rand.IntN(n)]) // the transaction is committed, or about to be
			return
		}
		if n > 0 {
			if _, err := back.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// slowly writes no faster than the rate.
type slowly struct {
	io.Writer
	rate *atomic.Int64
}

func (s slowly) Write(b []byte) (int, error) {
	if rate := s.rate.Load(); rate > 0 {
		time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(rate))
	}
	return s.Writer.Write(b)
}

// A fact that takes much longer than the idle limit of a transaction is written and read over a slow network. Other writers
// get the error that the log is locked.
func TestSlowNetwork(t *testing.T) {
	if !soak {
		t.Skip("it takes minutes: IGNITER_SOAK is not 1")
	}
	t.Parallel()
	direct := address(t)
	slow, a := startCutter(t, one[string](t, connect(t, direct), `select current_setting('unix_socket_directories')`), 1<<40)
	const log = "slow-network"
	l, near := open(t, Options{Address: a, Log: log}), open(t, Options{Address: direct, Log: log})
	defer l.Close()
	defer near.Close()
	slow.rate.Store(128 << 10)
	value := make([]byte, 8<<20) // a minute
	for i := range value {
		value[i] = "0123456789abcdef"[rand.IntN(16)]
	}
	value[0], value[len(value)-1] = '"', '"'
	begun := time.Now()
	f, err := l.WriteFact(t.Context(), backend.Fact{ID: "large", Store: "s", Key: "k", Value: value})
	require.NoError(t, err)
	t.Logf("written in %s", time.Since(begun))
	begun = time.Now()
	facts, _ := read(t, l, backend.Range{})
	require.Equal(t, []backend.Fact{f}, facts)
	t.Logf("read in %s", time.Since(begun))
	_, err = near.WriteFact(t.Context(), backend.Fact{ID: "small", Store: "s", Key: "k", Value: []byte("1")})
	require.NoError(t, err)
}

// The server allows more idle time to a transaction that sends a large fact than to one that sends nothing.
func TestPatience(t *testing.T) {
	l := open(t, Options{Address: address(t), Log: "patience"})
	defer l.Close()
	conn := connect(t, address(t))
	for size, want := range map[int]string{10: "10s", 1 << 20: "26s"} {
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		value := append(bytes.Repeat([]byte("x"), size), '"')
		value[0] = '"'
		_, err = InTx(t.Context(), PGX(tx), "patience", backend.Batch{Facts: []backend.Fact{{ID: fmt.Sprint(size), Store: "s", Key: "k", Value: value}}})
		require.NoError(t, err)
		require.Equal(t, want, one[string](t, conn, `select current_setting('idle_in_transaction_session_timeout')`))
		require.NoError(t, tx.Rollback(t.Context()))
	}
}

// Connections are cut at the answers to commits, so that a writer can't know whether its facts were written.
func TestAnswersCut(t *testing.T) {
	direct := address(t)
	conn := connect(t, direct)
	cut, a := startCutter(t, one[string](t, conn, `select current_setting('unix_socket_directories')`), 25)
	const log = "answers-cut"
	l := open(t, Options{Address: a, Log: log})
	c := startCrew(t, 8, l)
	n := int64(rounds(8, 600))
	awaitThat(t, func() bool { return cut.cuts.Load() >= n })
	c.await(50)
	acked := c.stop(direct, log)
	require.NoError(t, l.Close())
	t.Logf("%d answers to commits were cut, %d facts were acknowledged, 0 are lost", cut.cuts.Load(), acked)
}

// A follower goes on after its connection is cut, with no gap and no repeat.
func TestFollowerKilled(t *testing.T) {
	a := address(t)
	const log = "follower-killed"
	writer, reader := open(t, Options{Address: a, Log: log}), open(t, Options{Address: a, Log: log})
	defer writer.Close()
	defer reader.Close()
	conn := connect(t, a)
	c := startCrew(t, 4, writer)
	last, killed := uint64(0), 0
	for f, err := range backend.Facts(reader.Follow(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		require.Equal(t, last+1, f.Seq)
		if last = f.Seq; last%100 == 0 {
			killed += one[int](t, conn, `select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'igniter'`)
		}
		if last == uint64(rounds(500, 20000)) {
			break
		}
	}
	t.Logf("%d connections were killed, %d facts were followed and %d acknowledged", killed, last, c.stop(a, log))
}
