// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
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
func startLog(t testing.TB, log backend.Log, opts server.Options) *served {
	s := serve(t, log, "tcp", opts)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// hasty returns options of a client that reconnects at once.
func hasty(o network.Options) network.Options {
	o.MinBackoff, o.MaxBackoff = time.Millisecond, 20*time.Millisecond
	return o
}

// beating returns options of a client that soon gives up a silent connection; its server needs the heartbeat serverBeat.
func beating(o network.Options) network.Options {
	o = hasty(o)
	o.Heartbeat = 100 * time.Millisecond
	return o
}

const serverBeat = 20 * time.Millisecond

// How long tests wait for a condition, and how often they check it.
const (
	eventually = time.Minute
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

// after returns the range after a seq, of the given stores; without stores, of all.
func after(seq uint64, stores ...string) backend.Range {
	return backend.Range{After: backend.Cursor{Seq: seq}, Stores: stores}
}

// write writes facts to a log as one batch.
func write(ctx context.Context, log backend.Log, facts ...backend.Fact) ([]backend.Fact, error) {
	w := log.Write(ctx, backend.Batch{Facts: facts})[0]
	return w.Facts, w.Err
}

// contents returns the facts of a log, read directly.
func contents(t testing.TB, b backend.Backend) []backend.Fact {
	t.Helper()
	facts, err := collect(b.Replay(context.WithoutCancel(t.Context()), backend.Range{}))
	require.NoError(t, err)
	return facts
}

func collect(loop iter.Seq2[backend.Page, error]) (facts []backend.Fact, err error) {
	return take(loop, math.MaxInt)
}

// take returns the first n facts of a loop, and the facts that come in a page with them.
func take(loop iter.Seq2[backend.Page, error], n int) (facts []backend.Fact, err error) {
	if n == 0 {
		return nil, nil
	}
	for p, err := range checked(loop) {
		if err != nil {
			return facts, err
		}
		for _, f := range p.Facts {
			facts = append(facts, f.Clone())
		}
		if len(facts) >= n {
			break
		}
	}
	return facts, nil
}

// checked yields the pages of a loop, and an error for a page that visibly breaks the rules of pages.
func checked(loop iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		through, first := uint64(0), true
		for p, err := range loop {
			if err != nil && (len(p.Facts) > 0 || p.Through != backend.Cursor{}) {
				err = fmt.Errorf("a page of %d facts through %s comes with an error: %w", len(p.Facts), p.Through, err)
			}
			if err == nil && !first && len(p.Facts) == 0 && p.Through.Seq <= through {
				err = fmt.Errorf("an empty page tells of no progress: through %d after %d", p.Through.Seq, through)
			}
			for _, f := range p.Facts {
				if f.Seq <= through && err == nil {
					err = fmt.Errorf("seq %d comes after the log was read through %d", f.Seq, through)
				}
				through = f.Seq
			}
			if err == nil && p.Through.Seq < through {
				err = fmt.Errorf("a page with seq %d is said to go through %d", through, p.Through.Seq)
			}
			if through, first = p.Through.Seq, false; !yield(p, err) {
				return
			}
		}
	}
}

// same requires two logs to be the same, and shows the first difference.
func same(t testing.TB, want, got []backend.Fact) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		if w, g := wire.AppendFact(nil, &want[i]), wire.AppendFact(nil, &got[i]); !bytes.Equal(w, g) {
			require.FailNow(t, "not the facts that are wanted", "fact %d of %d:\n%s\n%s", i, len(want), w, g)
		}
	}
	require.Equal(t, len(want), len(got), "how many facts there are")
}
