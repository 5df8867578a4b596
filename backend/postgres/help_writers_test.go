// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
)

// soak reports whether the long runs are requested.
var soak = os.Getenv("IGNITER_SOAK") == "1"

// rounds returns short, or long in a soak run.
func rounds(short, long int) int {
	if soak {
		return long
	}
	return short
}

// A crew is a group of goroutines that write facts. Each goroutine writes a chain: each fact expects the previous one.
type crew struct {
	t       testing.TB
	cancel  context.CancelFunc
	all     sync.WaitGroup
	written atomic.Int64
	mu      sync.Mutex
	acked   map[string]uint64 // the seqs of acknowledged facts, by ID
	failed  error
}

// startCrew starts n writers for each log.
func startCrew(t testing.TB, n int, logs ...*Log) *crew {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crew{t: t, cancel: cancel, acked: map[string]uint64{}}
	for i, l := range logs {
		for j := range n {
			c.all.Go(func() { c.write(ctx, l, fmt.Sprintf("%d-%d", i, j)) })
		}
	}
	t.Cleanup(func() { cancel(); c.all.Wait() })
	return c
}

func (c *crew) write(ctx context.Context, l *Log, key string) {
	latest := ""
	for n := 0; ctx.Err() == nil; n++ {
		f := backend.Fact{ID: fmt.Sprintf("%s-%d", key, n), Store: "crew", Key: key, Value: []byte(fmt.Sprint(n))}
		w := l.Write(ctx, backend.Batch{Facts: []backend.Fact{f}, Expect: []backend.Expect{{Store: "crew", Key: key, ID: latest}}})[0]
		if w.Err != nil {
			if ctx.Err() == nil {
				c.mu.Lock()
				c.failed = fmt.Errorf("write fact %q: %w", f.ID, w.Err)
				c.mu.Unlock()
				c.cancel()
			}
			return
		}
		latest = f.ID
		c.mu.Lock()
		c.acked[f.ID] = w.Facts[0].Seq
		c.mu.Unlock()
		c.written.Add(1)
	}
}

// await waits until n more facts are acknowledged.
func (c *crew) await(n int64) {
	c.t.Helper()
	from := c.written.Load()
	awaitThat(c.t, func() bool {
		c.mu.Lock()
		failed := c.failed
		c.mu.Unlock()
		require.NoError(c.t, failed)
		return c.written.Load() >= from+n
	})
}

// stop ends the writers, and checks the log against what was acknowledged: no fact is lost, doubled or moved, no seq is
// missing, and each chain is whole. It returns the number of acknowledged facts.
func (c *crew) stop(address, log string) int {
	c.t.Helper()
	c.cancel()
	c.all.Wait()
	require.NoError(c.t, c.failed)
	conn := connect(c.t, address)
	rows, err := conn.Query(c.t.Context(), `select f.seq, f.body from igniter.fact f join igniter.log l using (log) where l.name = $1 order by f.seq`, log)
	require.NoError(c.t, err)
	ids, latest := map[string]uint64{}, map[string]string{}
	next := uint64(1)
	for rows.Next() {
		var seq int64
		var body []byte
		require.NoError(c.t, rows.Scan(&seq, &body))
		f, err := parse(seq, body)
		require.NoError(c.t, err)
		require.Equal(c.t, next, f.Seq, "a seq is missing")
		next++
		require.NotContains(c.t, ids, f.ID, "it is there twice")
		ids[f.ID] = f.Seq
		if f.Store == "crew" {
			require.Equal(c.t, latest[f.Key], f.Causation)
			latest[f.Key] = f.ID
		}
	}
	require.NoError(c.t, rows.Err())
	for id, seq := range c.acked {
		require.Equal(c.t, seq, ids[id], "fact %s was acknowledged and is lost or moved", id)
	}
	return len(c.acked)
}

// awaitThat waits until ok returns true.
func awaitThat(t testing.TB, ok func() bool) {
	t.Helper()
	for !ok() {
		if err := wait(t.Context(), minWait/4); err != nil {
			t.Fatal("the test ended first")
		}
	}
}
