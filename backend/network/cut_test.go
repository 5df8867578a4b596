// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
)

func down(op string) func(passing) bool { return func(f passing) bool { return !f.up && f.op == op } }
func up(op string) func(passing) bool   { return func(f passing) bool { return f.up && f.op == op } }

// TestCutCalls cuts the connection inside requests and answers, and between them: every call succeeds, and the server does
// its work once.
func TestCutCalls(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{})
	p := startProxy(t, s.options.Address)
	c := connect(t, hasty(p.through(s.options)))
	ctx := t.Context()
	n := 0
	calls := map[string]func() error{
		protocol.OpWriteFact: func() error {
			n++
			held, err := c.WriteFact(ctx, numbered(n))
			if err == nil && held.Seq != uint64(n) {
				err = fmt.Errorf("fact %d is at %d", n, held.Seq)
			}
			return err
		},
		protocol.OpWriteBatch: func() error {
			latest := ""
			for _, f := range contents(t, s.log) {
				if f.Key == "k1" {
					latest = f.ID
				}
			}
			n += 3
			w := c.Write(ctx, backend.Batch{Facts: batchOf(n-2, n), Expect: []backend.Expect{{Store: "s", Key: "k1", ID: latest}}})[0]
			if w.Err == nil && (w.Facts[2].Seq != uint64(n) || w.First != 0 && w.First != uint64(n)-2) {
				w.Err = fmt.Errorf("fact %d is at %d, and the first new one at %d", n, w.Facts[2].Seq, w.First)
			}
			return w.Err
		},
		protocol.OpStats: func() error {
			stats, err := c.Stats(ctx)
			if err == nil && stats.LastSeq != uint64(n) {
				err = fmt.Errorf("the last of %d facts is at %d", n, stats.LastSeq)
			}
			return err
		},
		protocol.OpReplay: func() error {
			facts, err := collect(c.Replay(ctx, after(0)))
			if err == nil && len(facts) != n {
				err = fmt.Errorf("%d facts of %d", len(facts), n)
			}
			return err
		},
		protocol.OpWriteSnapshot: func() error { return c.WriteSnapshot(ctx, 0) },
		protocol.OpPrune: func() error {
			_, err := c.Prune(ctx, slices.Values([]uint64{1 << 60}), backend.Horizon{})
			return err
		},
	}
	for _, op := range []string{protocol.OpWriteFact, protocol.OpWriteBatch, protocol.OpStats, protocol.OpReplay, protocol.OpWriteSnapshot, protocol.OpPrune} {
		for _, side := range []func(string) func(passing) bool{up, down} {
			for _, fate := range []fate{isCut, isReset} {
				for _, keep := range []int{0, 1, 4, 20, 1 << 30} { // the length in part or whole, a part of the body, all of it
					happened := p.once(side(op), action{fate: fate, keep: keep})
					require.NoError(t, calls[op](), "%s, fate %d after %d bytes", op, fate, keep)
					select {
					case <-happened:
					default:
						require.Fail(t, "nothing was cut", op)
					}
				}
			}
		}
	}
	p.rules(nil)
	got := contents(t, s.log)
	require.Len(t, got, n)
	for i := range got {
		require.Equal(t, fmt.Sprintf("f%d", i+1), got[i].ID)
	}
	stats, err := c.Stats(ctx)
	require.NoError(t, err)
	require.True(t, stats.Connection.Up)
	require.Greater(t, stats.Connection.Connects, uint64(40))
	require.NotEmpty(t, stats.Connection.LastError)
}

// TestCutConditional cuts between a conditional write and its answer. When the write is sent again, the condition no longer
// holds, but the log knows that it already has the batch.
func TestCutConditional(t *testing.T) {
	s := start(t, server.Options{})
	p := startProxy(t, s.options.Address)
	c := connect(t, hasty(p.through(s.options)))
	b := backend.Batch{Facts: batchOf(1, 1), Expect: []backend.Expect{{Store: "s", Key: "k1"}}}
	happened := p.once(down(protocol.OpWriteBatch), action{fate: isCut})
	w := c.Write(t.Context(), b)[0]
	require.NoError(t, w.Err)
	<-happened
	same(t, contents(t, s.log), w.Facts)
	require.Zero(t, w.First, "the log had it when it was sent again")

	b.Facts = batchOf(4, 4)
	err := c.Write(t.Context(), b)[0].Err
	conflict, ok := errors.AsType[*backend.ConflictError](err)
	require.True(t, ok, err)
	require.Equal(t, backend.ConflictError{Store: "s", Key: "k1", Latest: "f1"}, *conflict)
}

// TestCutStreams cuts a follower's and a replay's stream at each of its frames, at several places in it:
// between facts, in one, and in a group.
func TestCutStreams(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{})
	p := startProxy(t, s.options.Address)
	c := connect(t, hasty(p.through(s.options)))
	n := 0
	ends := map[uint64]bool{} // the last seqs of batches
	for n < 100 {
		last := n + 1 + n%4
		_, err := write(t.Context(), s.log, batchOf(n+1, last)...)
		require.NoError(t, err)
		n = last
		ends[uint64(n)] = true
	}
	want := contents(t, s.log)
	require.Len(t, want, n)
	filtered := 0
	for _, op := range []string{protocol.OpReplay, protocol.OpSubscribe} {
		for _, keep := range []int{0, 3, 200, 1 << 30} {
			for at := range 8 {
				happened := p.once(func(f passing) bool { return !f.up && f.op == op && f.n >= 2+3*at }, action{fate: isCut, keep: keep})
				var got []backend.Fact
				var err error
				if op == protocol.OpReplay {
					got, err = collect(whole(c.Replay(t.Context(), after(0)), ends))
				} else {
					r := after(0)
					if filtered++; filtered%2 == 0 {
						r = after(0, "s")
					}
					got, err = take(whole(c.Follow(t.Context(), r), ends), n)
				}
				require.NoError(t, err)
				<-happened
				same(t, want, got)
			}
		}
	}
}

// whole yields the pages of a loop, and an error for one that ends inside a batch. ends has the last seqs of batches.
func whole(loop iter.Seq2[backend.Page, error], ends map[uint64]bool) iter.Seq2[backend.Page, error] {
	return func(yield func(backend.Page, error) bool) {
		for p, err := range loop {
			if n := len(p.Facts); n > 0 && !ends[p.Facts[n-1].Seq] {
				err = fmt.Errorf("a page ends with seq %d, inside a batch", p.Facts[n-1].Seq)
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// TestStalled stalls connections: the client detects a peer that is silently gone.
func TestStalled(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{Heartbeat: serverBeat})
	p := startProxy(t, s.options.Address)
	c := connect(t, beating(p.through(s.options)))
	ctx := t.Context()
	n := uint64(0)
	write := func(ctx context.Context) error {
		n++
		held, err := c.WriteFact(ctx, numbered(int(n)))
		if err == nil && held.Seq != n {
			err = fmt.Errorf("fact %d is at %d", n, held.Seq)
		}
		return err
	}
	for name, f := range map[string]struct {
		meant func(passing) bool
		action
	}{
		"answer":           {down(protocol.OpWriteFact), action{fate: stalls}},
		"part of answer":   {down(protocol.OpWriteFact), action{fate: stalls, keep: 9}},
		"request":          {up(protocol.OpWriteFact), action{fate: stalls}},
		"part of request":  {up(protocol.OpWriteFact), action{fate: stalls, keep: 9}},
		"request, deafly":  {up(protocol.OpWriteFact), action{fate: isDeaf}},
		"answer, deafly":   {down(protocol.OpWriteFact), action{fate: isDeaf}},
		"after the answer": {down(protocol.OpWriteFact), action{fate: stalls, keep: 1 << 30}},
	} {
		happened := p.once(f.meant, f.action)
		require.NoError(t, write(ctx), name)
		<-happened
		require.NoError(t, write(ctx), name)
	}

	t.Run("large request", func(t *testing.T) { // larger than what sockets hold
		const buffer = 64 << 10
		p := startNarrowProxy(t, s.options.Address, buffer)
		o := p.through(s.options)
		o.Heartbeat = 500 * time.Millisecond
		patient := connect(t, o.DialBy(func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				_ = nc.(*net.TCPConn).SetWriteBuffer(buffer)
			}
			return nc, err
		}))
		happened := p.once(up(protocol.OpStats), action{fate: isDeaf, keep: 1 << 30})
		_, err := patient.Stats(ctx)
		require.NoError(t, err)
		<-happened
		n++
		f := numbered(int(n))
		f.Value = []byte(`"` + strings.Repeat("x", 20*buffer) + `"`)
		held, err := patient.WriteFact(ctx, f)
		require.NoError(t, err)
		require.Equal(t, n, held.Seq)
	})
	t.Run("callers in a hurry", func(t *testing.T) {
		happened := p.once(down(protocol.OpWriteFact), action{fate: stalls})
		for tries := 0; ; tries++ { // no call waits for three heartbeats
			ctx, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
			_, err := c.WriteFact(ctx, numbered(int(n)+1))
			cancel()
			if err == nil {
				break
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Less(t, tries, 1000, "the connection is never given up")
		}
		<-happened
		n++
	})
	p.rules(nil)
	require.Len(t, contents(t, s.log), int(n))
}

// TestStalledStreams stalls replays and subscriptions.
func TestStalledStreams(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{Heartbeat: serverBeat})
	ctx := context.WithoutCancel(t.Context())
	for n := range 9 {
		_, err := s.log.WriteFact(ctx, numbered(n))
		require.NoError(t, err)
	}
	log := contents(t, s.log)
	for _, op := range []string{protocol.OpReplay, protocol.OpSubscribe} {
		for _, keep := range []int{0, 30, 1 << 30} {
			for at := range 3 { // the answer, a fact, another one
				t.Run(fmt.Sprintf("%s at %d after %d", op, at, keep), func(t *testing.T) {
					t.Parallel()
					p := startProxy(t, s.options.Address)
					c := connect(t, beating(p.through(s.options)))
					happened := p.once(func(f passing) bool { return !f.up && f.op == op && f.n >= 1+at }, action{fate: stalls, keep: keep})
					var got []backend.Fact
					var err error
					if op == protocol.OpReplay {
						got, err = collect(c.Replay(ctx, after(0)))
					} else {
						got, err = take(c.Follow(ctx, after(0)), len(log))
					}
					require.NoError(t, err)
					<-happened
					same(t, log, got)
				})
			}
		}
	}
}

// TestIdleFollower stalls a subscription that has nothing to send: the next fact still comes.
func TestIdleFollower(t *testing.T) {
	t.Parallel()
	s := start(t, server.Options{Heartbeat: serverBeat})
	p := startProxy(t, s.options.Address)
	c := connect(t, beating(p.through(s.options)))
	heartbeat := func(f passing) bool {
		return !f.up && f.op == protocol.OpSubscribe && bytes.Contains(f.body, []byte(`"heartbeat"`))
	}
	next, stop := iter.Pull2(backend.Facts(c.Follow(t.Context(), after(0, "s"))))
	defer stop()
	for n := 1; n <= 3; n++ {
		happened := p.once(heartbeat, action{fate: stalls})
		wrote := make(chan error, 1)
		go func() {
			<-happened
			_, err := s.log.WriteFact(context.Background(), numbered(n))
			wrote <- err
		}()
		f, err, ok := next()
		require.True(t, ok)
		require.NoError(t, err)
		require.Equal(t, uint64(n), f.Seq)
		require.NoError(t, <-wrote)
	}
}
