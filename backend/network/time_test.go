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

// Here connections are in memory and time is the test's own: it passes at once when all goroutines wait, so
// that what a test waits for takes no time, and what must not happen in a time is seen not to.

// A pipeNet is a network in memory, and a net.Listener of it. It can be out of order.
type pipeNet struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once

	mu    sync.Mutex
	dials []time.Time // attempts
	down  error       // what dialing comes to; nil: it works
	conns []net.Conn  // both ends of all connections
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
	client, server := net.Pipe()
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

// set puts the network out of order, and cuts all connections, or in order again.
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

// attempts returns when connections were tried since it was called last.
func (n *pipeNet) attempts() []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	dials := n.dials
	n.dials = nil
	return dials
}

var errDown = errors.New("the network is down")

// A slowLog takes its time to write.
type slowLog struct {
	*memory.Log
	takes time.Duration
}

func (l *slowLog) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	time.Sleep(l.takes) // in the test's own time
	return l.Log.WriteFact(ctx, f)
}

// inMemory runs a test in its own time with a client and a server, which it ends.
func inMemory(t *testing.T, log backend.Backend, o network.Options, test func(t *testing.T, c *network.Client, n *pipeNet)) {
	network.ForgetCalls()
	defer network.ForgetCalls()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		s := server.New(log, server.Options{})
		done := make(chan error, 1)
		go func() { done <- s.Serve(n) }()
		o.Address = "pipe"
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

// TestSlowCalls makes calls that take long after a connection has been idle: nothing is lost in less than
// three heartbeats.
func TestSlowCalls(t *testing.T) {
	log := &slowLog{Log: memory.New(memory.Options{})}
	inMemory(t, log, network.Options{}, func(t *testing.T, c *network.Client, n *pipeNet) {
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
