// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
)

// The tests of this file use connections in memory and synctest: time passes at once when all goroutines wait, so that
// waits take no time, and a test can see that something does not happen within a time.

// A pipeNet is a network in memory, and its net.Listener. It can be out of order.
type pipeNet struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once

	mu    sync.Mutex
	dials []time.Time  // attempts
	down  error        // the error of dialing; nil: it works
	conns []*stallConn // both ends of all connections
}

// A stallConn is a connection whose reads can be stalled.
type stallConn struct {
	net.Conn
	mu      sync.Mutex
	stalled bool
}

func (c *stallConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		c.mu.Lock()
		stalled := c.stalled
		c.mu.Unlock()
		if err != nil || !stalled {
			return n, err
		}
	}
}

// stall stalls all present connections, silently.
func (n *pipeNet) stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.mu.Lock()
		c.stalled = true
		c.mu.Unlock()
	}
}

func newPipeNet() *pipeNet {
	return &pipeNet{incoming: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *pipeNet) Accept() (net.Conn, error) {
	select {
	case nc := <-n.incoming:
		return nc, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *pipeNet) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *pipeNet) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (n *pipeNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	n.dials = append(n.dials, time.Now())
	down := n.down
	n.mu.Unlock()
	if down != nil {
		return nil, down
	}
	a, b := net.Pipe()
	client, server := &stallConn{Conn: a}, &stallConn{Conn: b}
	select {
	case n.incoming <- server:
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, client, server)
	return client, nil
}

// set puts the network out of order, with all connections cut, or in order again.
func (n *pipeNet) set(down error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
	if down != nil {
		for _, nc := range n.conns {
			_ = nc.Close()
		}
		n.conns = nil
	}
}

// attempts returns the times of attempts to connect since the last call.
func (n *pipeNet) attempts() []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	dials := n.dials
	n.dials = nil
	return dials
}

var errDown = errors.New("the network is down")

// A slowLog takes some time for each write.
type slowLog struct {
	*memory.Log
	takes time.Duration
}

func (l *slowLog) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	time.Sleep(l.takes) // in the test's own time
	return l.Log.WriteFact(ctx, f)
}

func (l *slowLog) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	time.Sleep(l.takes)
	return l.Log.Write(ctx, batches...)
}

// inMemory runs a test in its own time with a client and a server, which it ends.
func inMemory(t *testing.T, log backend.Log, o network.Options, test func(t *testing.T, c backend.Log, n *pipeNet)) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		s := server.New(log, server.Options{})
		done := make(chan error, 1)
		go func() { done <- s.Serve(n) }()
		o.Address = "pipe:1"
		c, err := network.Dial(t.Context(), o.DialBy(n.dial))
		require.NoError(t, err)
		n.attempts()
		test(t, c, n)
		require.NoError(t, c.Close())
		require.NoError(t, s.Close())
		require.NoError(t, <-done)
		require.NoError(t, log.Close())
	})
}

// TestSlowCalls makes slow calls after a connection has been idle: no connection is lost in less than three heartbeats.
func TestSlowCalls(t *testing.T) {
	log := &slowLog{Log: memory.New(memory.Options{})}
	inMemory(t, log, network.Options{}, func(t *testing.T, c backend.Log, n *pipeNet) {
		for i, takes := range []time.Duration{0, time.Second, 10 * time.Second, 14 * time.Second} {
			log.takes = takes
			time.Sleep(time.Minute)
			_, err := c.WriteFact(t.Context(), numbered(i))
			require.NoError(t, err)
		}
		stats, err := c.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, uint64(1), stats.Connection.Connects, stats.Connection.LastError)
	})
}

// TestBackoff measures how long a client waits between attempts: longer each time up to the bound, at random, and from
// the beginning after a connection. Without calls it does not try.
func TestBackoff(t *testing.T) {
	o := network.Options{MinBackoff: 100 * time.Millisecond, MaxBackoff: 2 * time.Second}
	inMemory(t, memory.New(memory.Options{}), o, func(t *testing.T, c backend.Log, n *pipeNet) {
		for round := range 3 {
			n.set(errDown)
			time.Sleep(time.Hour)
			require.Empty(t, n.attempts(), "nothing is asked")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			start := time.Now()
			_, err := c.WriteFact(ctx, numbered(round))
			cancel()
			require.ErrorIs(t, err, backend.ErrUnavailable)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, errDown)
			require.Equal(t, time.Minute, time.Since(start), "the caller's context says for how long")
			requireBackoff(t, n.attempts(), o)

			n.set(nil)
			_, err = c.WriteFact(t.Context(), numbered(round))
			require.NoError(t, err)
			n.attempts()
		}
	})
}

// requireBackoff requires waits that grow from the least to the most, each with half of it at random.
func requireBackoff(t *testing.T, dials []time.Time, o network.Options) {
	require.Greater(t, len(dials), 20)
	require.Less(t, len(dials), 80)
	want := o.MinBackoff
	waits := map[time.Duration]bool{}
	for i := 1; i < len(dials); i++ {
		wait := dials[i].Sub(dials[i-1])
		require.GreaterOrEqual(t, wait, want/2, "wait %d", i)
		require.LessOrEqual(t, wait, want+want/2, "wait %d", i)
		want = min(want*3/2, o.MaxBackoff)
		waits[wait] = true
	}
	require.Greater(t, len(waits), len(dials)/2, "they are random")
}

// TestFollowBackoff loses a subscription repeatedly: anything that comes in between, even a heartbeat, makes the
// client start with short waits again.
func TestFollowBackoff(t *testing.T) {
	log := memory.New(memory.Options{})
	o := network.Options{MinBackoff: 100 * time.Millisecond, MaxBackoff: 10 * time.Second}
	inMemory(t, log, o, func(t *testing.T, c backend.Log, n *pipeNet) {
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan uint64)
		ended := make(chan error, 1)
		go func() {
			for f, err := range backend.Facts(c.Follow(ctx, after(0))) {
				if err != nil {
					ended <- err
					return
				}
				got <- f.Seq
			}
		}()
		for i := uint64(1); i <= 6; i++ {
			if i%2 == 0 {
				time.Sleep(time.Minute)
			} else {
				_, err := log.WriteFact(t.Context(), numbered(int(i)))
				require.NoError(t, err)
				require.Equal(t, (i+1)/2, <-got)
			}
			n.set(errDown)
			n.attempts()
			time.Sleep(time.Minute)
			dials := n.attempts()
			require.LessOrEqual(t, dials[1].Sub(dials[0]), 3*o.MinBackoff, "round %d begins with short waits again", i)
			n.set(nil)
		}
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// TestProgress follows a store without new facts: each page with progress comes at once, and not with a heartbeat, also
// after a reconnect. A page comes only when there is progress.
func TestProgress(t *testing.T) {
	log := memory.New(memory.Options{})
	inMemory(t, log, network.Options{}, func(t *testing.T, c backend.Log, n *pipeNet) {
		ctx, cancel := context.WithCancel(t.Context())
		pages := make(chan backend.Page)
		ended := make(chan error, 1)
		go func() {
			for p, err := range c.Follow(ctx, after(0, "other")) {
				if err != nil {
					ended <- err
					return
				}
				pages <- p
			}
		}()
		through := (<-pages).Through
		require.Zero(t, through.Seq)
		for i := range 20 {
			time.Sleep(time.Minute)
			if i == 10 {
				n.set(errDown)
				time.Sleep(time.Second)
				n.set(nil)
				time.Sleep(time.Minute)
			}
			start := time.Now()
			_, err := write(t.Context(), log, batchOf(2*i, 2*i+1)...)
			require.NoError(t, err)
			through.Seq = uint64(2*i) + 2
			require.Equal(t, backend.Page{Through: through}, <-pages)
			require.Zero(t, time.Since(start))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, pages)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// TestThroughWithoutEnd reads through a seq from a server that does not end the stream: the loop still ends, once the
// server has been silent for as long as a dead server.
func TestThroughWithoutEnd(t *testing.T) {
	for _, way := range ways {
		synctest.Test(t, func(t *testing.T) {
			n := newPipeNet()
			s := &scriptedServer{parts: []part{{stays: true}, {bodies: [][]byte{begins, group(1, 2), group(3)}, stays: true}}}
			var serving sync.WaitGroup
			serving.Go(func() {
				for {
					nc, err := n.Accept()
					if err != nil {
						return
					}
					serving.Go(func() {
						s.serve(nc)
						_ = nc.Close()
					})
				}
			})
			c, err := network.Dial(t.Context(), network.Options{Address: "pipe:1"}.DialBy(n.dial))
			require.NoError(t, err)
			require.Equal(t, told{seqs: []uint64{1, 2, 3}, through: 3}, tell(t, readers(t, c)[way](t.Context(), backend.Range{Through: 3}), 0), way)
			require.Len(t, s.asked(), 1, way)
			require.NoError(t, c.Close())
			require.NoError(t, n.Close())
			serving.Wait()
		})
	}
}

// TestHeartbeats stalls everything from the server: calls and followers notice after three heartbeats, and not earlier. An
// idle subscription of a live server is kept forever.
func TestHeartbeats(t *testing.T) {
	log := memory.New(memory.Options{})
	inMemory(t, log, network.Options{Heartbeat: 5 * time.Second}, func(t *testing.T, c backend.Log, n *pipeNet) {
		got := make(chan uint64, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			for f, err := range backend.Facts(c.Follow(ctx, after(0, "s"))) {
				if err != nil {
					ended <- err
					return
				}
				got <- f.Seq
			}
		}()
		time.Sleep(time.Hour)
		require.Len(t, n.attempts(), 1, "the subscription is kept alive by heartbeats alone")
		n.stall()
		start := time.Now()
		f, err := c.WriteFact(t.Context(), numbered(1))
		require.NoError(t, err)
		require.Equal(t, f.Seq, <-got)
		require.GreaterOrEqual(t, time.Since(start), 10*time.Second, "three heartbeats after the last one that came")
		require.LessOrEqual(t, time.Since(start), 31*time.Second)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}
