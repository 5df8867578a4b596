// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// A cluster is three servers. The routes between them go through proxies.
type cluster struct {
	t       testing.TB
	dir     string
	routes  [3]string    // where each server listens for routes
	clients [3]string    // where each server listens for clients
	proxies [3][3]*proxy // from, to
	servers [3]*server.Server
	always  bool // the servers sync each message
	direct  bool // without the proxies
}

// lastPort is the last port that freeAddress tried, counted from 10,000.
var lastPort atomic.Uint32

func init() { lastPort.Store(rand.Uint32()) }

// freeAddress returns an address that was free a moment ago, for a server that others dial before it listens, or while it is
// down. Its port is below the ports that systems give to connections: a connection could take such a port, or dial itself
// there.
func freeAddress(t testing.TB) string {
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+lastPort.Add(1)%22_000))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// port returns the port of an address.
func port(t testing.TB, address string) int {
	_, text, err := net.SplitHostPort(address)
	require.NoError(t, err)
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

func startCluster(t testing.TB) *cluster { return (&cluster{t: t}).startAll() }

func (c *cluster) startAll() *cluster {
	t := c.t
	c.dir = t.TempDir()
	for i := range c.servers {
		c.routes[i], c.clients[i] = freeAddress(t), freeAddress(t)
	}
	for i := range c.servers {
		for j := range c.servers {
			if i != j {
				c.proxies[i][j] = newProxy(t, c.routes[j])
			}
		}
	}
	for i := range c.servers {
		c.start(i)
	}
	t.Cleanup(func() {
		for _, s := range c.servers {
			stopServer(s)
		}
	})
	return c
}

// start starts a server, or starts it again.
func (c *cluster) start(i int) {
	o := &server.Options{ServerName: fmt.Sprint("s", i), Host: "127.0.0.1", Port: port(c.t, c.clients[i]), JetStream: true, StoreDir: filepath.Join(c.dir, fmt.Sprint(i)), NoSigs: true, NoLog: true}
	o.SyncAlways = c.always
	o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port(c.t, c.routes[i]), NoAdvertise: true, PoolSize: -1}
	// Servers tell each other about routes. Nobody listens at this address, so that no server is reached but through its proxy.
	o.Cluster.Advertise = "127.0.0.1:1"
	for j := range c.servers {
		switch {
		case j == i:
		case c.direct:
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: c.routes[j]})
		default:
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: c.proxies[i][j].listener.Addr().String()})
		}
	}
	s, err := server.NewServer(o)
	require.NoError(c.t, err)
	s.Start()
	require.True(c.t, s.ReadyForConnections(waitFor))
	c.servers[i] = s
}

func (c *cluster) url() string {
	return "nats://" + strings.Join(c.clients[:], ",nats://")
}

// leader returns the server that leads the stream of a log, and waits until there is one.
func (c *cluster) leader(log string) int {
	for begun := time.Now(); time.Since(begun) < 2*waitFor; time.Sleep(20 * time.Millisecond) {
		for i, s := range c.servers {
			if s.Running() && s.JetStreamIsStreamLeader("$G", "IGNITER_"+log) {
				return i
			}
		}
	}
	c.t.Fatalf("the stream of log %s has no leader", log)
	return 0
}

// lead makes a server the leader of the stream of a log, once its copy has as many messages as the leader's. The leader
// steps down whether or not the other server can lead. A server that is still receiving its copy can't lead, and receives
// nothing while there is no leader.
func (c *cluster) lead(log string, i int) {
	nc, _ := connect(c.t, c.url())
	for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		leader := c.leader(log)
		if leader == i {
			return
		}
		require.Less(c.t, time.Since(begun), 8*waitFor, "server %d does not lead the stream of log %s", i, log)
		if has := c.copyOf(log, i); has.LastSeq != 0 && has.Msgs == c.copyOf(log, leader).Msgs {
			_, _ = nc.Request("$JS.API.STREAM.LEADER.STEPDOWN.IGNITER_"+log, fmt.Appendf(nil, `{"placement":{"preferred":"s%d"}}`, i), waitFor)
		}
	}
}

// copyOf returns a server's report about its copy of the stream of a log, as in its /jsz.
func (c *cluster) copyOf(log string, i int) (state server.StreamState) {
	info, err := c.servers[i].Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	require.NoError(c.t, err)
	for _, account := range info.AccountDetails {
		for _, s := range account.Streams {
			if s.Name == "IGNITER_"+log {
				state = s.State
			}
		}
	}
	return state
}

// isolate cuts server i off from the others, or reconnects it.
func (c *cluster) isolate(i int, apart bool) {
	for j := range c.servers {
		if j != i {
			c.proxies[i][j].block(apart)
			c.proxies[j][i].block(apart)
		}
	}
	if apart {
		require.Eventually(c.t, func() bool { return c.servers[i].NumRoutes() == 0 }, waitFor, 10*time.Millisecond)
	}
}

// pause holds back the messages between server i and the others, or lets them pass.
func (c *cluster) pause(i int, held bool) {
	for j := range c.servers {
		if j != i {
			c.proxies[i][j].hold(held)
			c.proxies[j][i].hold(held)
		}
	}
}

// open opens a log with three replicas.
func (c *cluster) open(log string) backend.Log {
	l, err := c.tryOpen(log)
	require.NoError(c.t, err)
	return l
}

// tryOpen is open for a log that may be damaged.
func (c *cluster) tryOpen(log string) (backend.Log, error) {
	return tryOpen(context.WithoutCancel(c.t.Context()), jetstream.Options{URL: c.url(), Log: log, Replicas: 3})
}

// tryOpen opens a log that may be damaged. The servers may not be ready yet.
func tryOpen(ctx context.Context, o jetstream.Options) (backend.Log, error) {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		l, err := jetstream.Open(ctx, o)
		if err == nil || errors.Is(err, backend.ErrCorrupt) || time.Since(begun) > 2*waitFor {
			return l, err
		}
	}
}

// load is several processes that write to a log as fast as they can, and a follower.
type load struct {
	stop  chan struct{}
	tasks sync.WaitGroup
	acked atomic.Int64

	mu       sync.Mutex
	facts    map[uint64]string // the IDs of acknowledged facts, by seq
	longest  [3]time.Duration
	count    [3]int
	followed []backend.Fact
	failed   error
}

func startLoad(t testing.TB, logs []backend.Log, follower backend.Log) (w *load, done func()) {
	w = &load{stop: make(chan struct{}), facts: map[uint64]string{}}
	for i, l := range logs {
		for g := range 4 {
			w.tasks.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-w.stop:
						return
					default:
					}
					begun := time.Now()
					f, err := l.WriteFact(context.Background(), backend.Fact{ID: fmt.Sprintf("%d-%d-%d", i, g, n), Store: fmt.Sprint("s", i), Key: fmt.Sprint(g), Value: []byte(`{"n":1}`)})
					w.mu.Lock()
					if err != nil {
						w.failed = err
						w.mu.Unlock()
						return
					}
					w.facts[f.Seq] = f.ID
					w.count[i]++
					w.longest[i] = max(w.longest[i], time.Since(begun))
					w.mu.Unlock()
					w.acked.Add(1)
				}
			})
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for p, err := range follower.Follow(ctx, backend.Range{}) {
			w.mu.Lock()
			if err != nil && ctx.Err() == nil {
				w.failed = err
			}
			w.followed = append(w.followed, p.Facts...)
			w.mu.Unlock()
		}
	}()
	return w, func() {
		close(w.stop)
		w.tasks.Wait()
		facts, err := replay(t, follower)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.followed) >= len(facts) || w.failed != nil
		}, waitFor, 10*time.Millisecond)
		cancel()
		<-ended
		require.NoError(t, w.failed)
		ids := map[string]bool{}
		for i, f := range facts {
			require.Equal(t, uint64(i+1), f.Seq)
			require.False(t, ids[f.ID], "fact %s is there twice", f.ID)
			ids[f.ID] = true
			if id := w.facts[f.Seq]; id != "" {
				require.Equal(t, id, f.ID)
			}
		}
		require.Len(t, facts, len(w.facts), "the log holds what was acknowledged, and all calls have ended")
		require.Equal(t, facts, w.followed)
		for _, l := range logs {
			got, err := replay(t, l)
			require.NoError(t, err)
			require.Equal(t, facts, got)
		}
	}
}

// more waits until n more facts were acknowledged.
func (w *load) more(t testing.TB, n int64) {
	before := w.acked.Load()
	require.Eventually(t, func() bool { return w.acked.Load() >= before+n }, 4*waitFor, 5*time.Millisecond)
}

// TestCluster kills the leader, cuts it off, pauses it, and stops one server after the other, while three processes write
// and one follows. No acknowledged fact is lost, no fact comes twice, and the follower sees all in order. Elections take
// most of the time. Pauses, stopping one server after the other, and more rounds need IGNITER_SOAK.
func TestCluster(t *testing.T) {
	t.Parallel()
	seed := uint64(1)
	if text := os.Getenv("IGNITER_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	random := rand.New(rand.NewPCG(seed, 0))
	rounds := []string{"kill", "partition"}
	if soak() {
		rounds = append(rounds, "pause", "roll")
		for range 30 {
			rounds = append(rounds, rounds[random.IntN(4)])
		}
	}
	c := startCluster(t)
	log := "loaded"
	var logs []backend.Log
	for range 4 {
		l := c.open(log)
		defer l.Close()
		logs = append(logs, l)
	}
	w, done := startLoad(t, logs[:3], logs[3])
	w.more(t, 200)
	begun := time.Now()
	for _, round := range rounds {
		before := w.acked.Load()
		at := time.Now()
		switch round {
		case "kill":
			i := c.leader(log)
			stopServer(c.servers[i])
			w.more(t, 100)
			c.start(i)
		case "partition":
			i := c.leader(log)
			c.isolate(i, true)
			w.more(t, 100)
			c.isolate(i, false)
		case "pause":
			i := c.leader(log)
			c.pause(i, true)
			w.more(t, 100)
			c.pause(i, false)
		case "roll":
			for i := range c.servers {
				stopServer(c.servers[i])
				w.more(t, 50)
				c.start(i)
				c.leader(log)
			}
		}
		w.more(t, int64(100+random.IntN(400)))
		t.Logf("%s: %d facts in %s", round, w.acked.Load()-before, time.Since(at).Round(time.Millisecond))
	}
	done()
	t.Logf("seed %d: %d rounds, %d facts in %s; by process %v, longest waits %v", seed, len(rounds), len(w.facts), time.Since(begun).Round(time.Millisecond), w.count, w.longest)
}

// TestServerCutOff permanently cuts off the server to which a process is connected. The process goes on at another server.
func TestServerCutOff(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	l := c.open("cut-off")
	defer l.Close()
	want := []backend.Fact{put(t, l, "before")}
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	for i := range c.servers {
		if stats.Connection.Address == c.servers[i].ClientURL() {
			c.isolate(i, true)
			defer c.isolate(i, false)
		}
	}
	want = append(want, put(t, l, "after"))
	require.Eventually(t, func() bool { // on its way it may try the server that is cut off once more
		now, err := l.Stats(t.Context())
		return err == nil && now.Connection.Address != stats.Connection.Address
	}, waitFor, 10*time.Millisecond)
	got, err := replay(t, l)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestFair: three processes that write as fast as they can share one server.
func TestFair(t *testing.T) {
	t.Parallel()
	var logs []backend.Log
	for range 4 {
		l := open(t, one(), nameOf(t.Name()))
		defer l.Close()
		logs = append(logs, l)
	}
	w, done := startLoad(t, logs[:3], logs[3])
	w.more(t, 3000)
	done()
	t.Logf("by process %v, longest waits %v", w.count, w.longest)
	for _, n := range w.count {
		require.Greater(t, n, 3000/20, "no process starves: %v", w.count)
	}
}
