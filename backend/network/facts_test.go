package network_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/wire"
)

// start serves a log in memory until the test ends.
func start(t testing.TB, opts server.Options) *served {
	return startLog(t, memory.New(memory.Options{}), opts)
}

// startLog serves a log until the test ends.
func startLog(t testing.TB, log backend.Backend, opts server.Options) *served {
	s := serve(t, log, "tcp", opts)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// hasty returns options of a client that loses no time with connections that are lost.
func hasty(o network.Options) network.Options {
	o.MinBackoff, o.MaxBackoff = time.Millisecond, 20*time.Millisecond
	return o
}

// beating returns options of a client that takes a connection for lost soon, and serverBeat that of a server
// for it.
func beating(o network.Options) network.Options {
	o = hasty(o)
	o.Heartbeat = 100 * time.Millisecond
	return o
}

const serverBeat = 20 * time.Millisecond

// How long tests wait for what must come, and how often they look.
const (
	eventually = 20 * time.Second
	tick       = time.Millisecond
)

// numbered returns the n-th fact of a test.
func numbered(n int) backend.Fact {
	return backend.Fact{ID: fmt.Sprintf("f%d", n), Store: "s", Key: fmt.Sprintf("k%d", n%3), Value: fmt.Appendf(nil, "%d", n)}
}

// batchOf returns the facts numbered from first to last.
func batchOf(first, last int) (facts []backend.Fact) {
	for n := first; n <= last; n++ {
		facts = append(facts, numbered(n))
	}
	return facts
}

// contents returns what a log holds, asked directly.
func contents(t testing.TB, b backend.Backend) []backend.Fact {
	t.Helper()
	facts, err := collect(b.Replay(context.WithoutCancel(t.Context()), 0))
	require.NoError(t, err)
	return facts
}

func collect(loop iter.Seq2[backend.Fact, error]) (facts []backend.Fact, err error) {
	for f, err := range loop {
		if err != nil {
			return facts, err
		}
		facts = append(facts, f.Clone())
	}
	return facts, nil
}

// take returns the first n facts of a loop.
func take(loop iter.Seq2[backend.Fact, error], n int) (facts []backend.Fact, err error) {
	for f, err := range loop {
		if err != nil {
			return facts, err
		}
		if facts = append(facts, f.Clone()); len(facts) == n {
			break
		}
	}
	return facts, nil
}

// same requires two logs to be the same, and shows where they part.
func same(t testing.TB, want, got []backend.Fact) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		if w, g := wire.AppendFact(nil, &want[i]), wire.AppendFact(nil, &got[i]); !bytes.Equal(w, g) {
			require.FailNow(t, "not the facts that are wanted", "fact %d of %d:\n%s\n%s", i, len(want), w, g)
		}
	}
	require.Equal(t, len(want), len(got), "how many facts there are")
}
