// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/backendtest"
	"github.com/igniter-store/igniter/backend/jetstream"
)

// suiteOn runs the suite on the servers at a URL, with nothing skipped. The streams of a case are removed after it, since
// servers that replicate hundreds of streams do little else.
func suiteOn(t *testing.T, url string, replicas int) {
	_, admin := connect(t, url)
	var known sync.Map // the directories that were opened
	options := func(dir string) jetstream.Options {
		return jetstream.Options{URL: url, Log: nameOf(dir), Replicas: replicas}
	}
	opts := &backendtest.Options{Restore: func(t testing.TB, dir string, through uint64) {
		ctx := context.WithoutCancel(t.Context())
		_, js := connect(t, url)
		source, err := jetstream.Open(ctx, options(dir))
		require.NoError(t, err)
		var pages []backend.Page
		for p, err := range source.Replay(ctx, backend.Range{Through: through}) {
			require.NoError(t, err)
			pages = append(pages, p)
		}
		stats, err := source.Stats(ctx)
		require.NoError(t, err)
		require.NoError(t, source.Close())
		require.NoError(t, js.DeleteStream(ctx, "IGNITER_"+nameOf(dir)))
		_, err = jetstream.Restore(ctx, options(dir), func(context.Context) (backend.Stats, error) { return stats, nil }, func(yield func(backend.Page, error) bool) {
			for _, p := range pages {
				if !yield(p, nil) {
					return
				}
			}
		}, through)
		require.NoError(t, err)
	}}
	require.Empty(t, backendtest.Skipped(opts))
	backendtest.Run(t, func(t testing.TB, dir string) backend.Backend {
		if _, again := known.LoadOrStore(dir, true); !again {
			t.Cleanup(func() {
				for _, kind := range []string{"", "KV_", "OBJ_"} {
					_ = admin.DeleteStream(context.WithoutCancel(t.Context()), kind+"IGNITER_"+nameOf(dir))
				}
			})
		}
		l, err := jetstream.Open(context.WithoutCancel(t.Context()), options(dir))
		require.NoError(t, err)
		return l
	}, opts)
}

// TestSuite runs the suite on one server.
func TestSuite(t *testing.T) {
	if raceEnabled && !soak() {
		t.Skip("it takes minutes with the race detector: run it without, as .ci/run does, or with IGNITER_SOAK")
	}
	suiteOn(t, one(), 1)
}

// clusterEnv has the URL of the servers of TestClusterSuite, for the processes that the suite starts. A text such as "serve
// 3 true" makes a process run three servers that sync each message.
const clusterEnv = "CLUSTERTEST_CLUSTER"

// TestClusterSuite runs the suite on three servers. They run in a separate process, since the suite measures the memory of
// this one.
func TestClusterSuite(t *testing.T) {
	if !soak() {
		t.Skip("it takes a minute or more: run it with IGNITER_SOAK. .ci/run runs a part of it")
	}
	url := os.Getenv(clusterEnv)
	if url == "" {
		url = serveCluster(t, 3, false)
		t.Setenv(clusterEnv, url)
	}
	suiteOn(t, url, 3)
}

// serveCluster starts one server or three, in a separate process until the test ends, and returns their URL.
func serveCluster(t testing.TB, servers int, always bool) string {
	cmd := exec.Command(os.Args[0], "-test.run=^TestServeCluster$", "-test.timeout=0")
	cmd.Env, cmd.Stderr = append(os.Environ(), fmt.Sprintf("%s=serve %d %t", clusterEnv, servers, always)), os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		require.NoError(t, cmd.Wait())
	})
	said := bufio.NewReader(out)
	url, err := said.ReadString('\n')
	if err != nil || !strings.HasPrefix(url, "nats://") {
		more, _ := io.ReadAll(said)
		t.Fatalf("the servers did not start: %s%s", url, more)
	}
	return strings.TrimSpace(url)
}

// TestServeCluster runs in the process of serveCluster.
func TestServeCluster(t *testing.T) {
	var servers int
	var always bool
	if _, err := fmt.Sscanf(os.Getenv(clusterEnv), "serve %d %t", &servers, &always); err != nil {
		t.Skip("it is a process of TestClusterSuite")
	}
	url := ""
	if servers == 1 {
		s := startServer(t, t.TempDir(), func(o *server.Options) { o.SyncAlways = always })
		defer stopServer(s)
		url = s.ClientURL()
	} else {
		c := (&cluster{t: t, always: always, direct: true}).startAll()
		require.NoError(t, c.open("ready").Close())
		url = c.url()
	}
	fmt.Println(url)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
