// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"iter"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
)

// A gatedLog writes nothing while its gate is shut.
type gatedLog struct {
	*memory.Log
	waiting chan struct{} // gets a value for each write that waits at the gate

	mu   sync.Mutex
	gate chan struct{} // nil: open
}

func newGatedLog() *gatedLog {
	return &gatedLog{Log: memory.New(memory.Options{}), waiting: make(chan struct{}, 1000)}
}

func (l *gatedLog) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gate = make(chan struct{})
}

func (l *gatedLog) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.gate)
	l.gate = nil
}

func (l *gatedLog) pass(ctx context.Context) error {
	l.mu.Lock()
	gate := l.gate
	l.mu.Unlock()
	if gate == nil {
		return nil
	}
	l.waiting <- struct{}{}
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *gatedLog) WriteFact(ctx context.Context, f backend.Fact) (backend.Fact, error) {
	if err := l.pass(ctx); err != nil {
		return f, err
	}
	return l.Log.WriteFact(ctx, f)
}

func (l *gatedLog) Write(ctx context.Context, batches ...backend.Batch) []backend.Written {
	if err := l.pass(ctx); err != nil {
		return backend.Refused(len(batches), err)
	}
	return l.Log.Write(ctx, batches...)
}

// TestCancelledCaller cancels calls while the server is slow: they return at once, and the other calls get their own
// answers.
func TestCancelledCaller(t *testing.T) {
	t.Parallel()
	log := newGatedLog()
	s := startLog(t, log, server.Options{})
	c := connect(t, s.options)
	log.shut()
	type outcome struct {
		held backend.Fact
		err  error
	}
	var stays []chan outcome
	var cancels []context.CancelFunc
	var goes []chan outcome
	call := func(ctx context.Context, n int) chan outcome {
		done := make(chan outcome, 1)
		go func() {
			held, err := c.WriteFact(ctx, numbered(n))
			done <- outcome{held, err}
		}()
		return done
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancels = append(cancels, cancel)
	goes = append(goes, call(ctx, 0)) // this call reads the answers until it is cancelled
	<-log.waiting
	for n := 1; n < 30; n++ {
		if n%3 == 0 {
			ctx, cancel := context.WithCancel(t.Context())
			cancels = append(cancels, cancel)
			goes = append(goes, call(ctx, n))
		} else {
			stays = append(stays, call(t.Context(), n))
		}
	}
	for i := range goes {
		cancels[i]()
		require.ErrorIs(t, (<-goes[i]).err, context.Canceled)
	}
	for _, done := range stays {
		require.Empty(t, done, "nothing is written yet")
	}
	log.open()
	at := map[string]uint64{}
	for _, done := range stays {
		o := <-done
		require.NoError(t, o.err)
		at[o.held.ID] = o.held.Seq
	}
	require.Len(t, at, len(stays))
	f, err := c.WriteFact(t.Context(), numbered(30))
	require.NoError(t, err)
	at[f.ID] = f.Seq
	for _, f := range contents(t, log) {
		if at[f.ID] != 0 {
			require.Equal(t, f.Seq, at[f.ID])
			delete(at, f.ID)
		}
	}
	require.Empty(t, at)
	stats, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(1), stats.Connection.Connects)
}

// connections waits until a server has n connections.
func connections(t testing.TB, s *server.Server, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Metrics().Connections == n }, eventually, tick, "%d connections are wanted", n)
}

// TestLoopsEnd leaves loops and cancels their contexts: their connections end at once.
func TestLoopsEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, memory.New(memory.Options{}), "unix", server.Options{}) // whose connections hold some 200 KiB
	t.Cleanup(func() { s.stop(t) })
	c := connect(t, s.options)
	const count = 400
	var many []backend.Fact
	for n := range count {
		f := numbered(n)
		f.Value = []byte(`"` + strings.Repeat("x", 10_000) + `"`)
		many = append(many, f)
	}
	for batch := range slices.Chunk(many, 20) {
		_, err := write(t.Context(), c, batch...)
		require.NoError(t, err)
	}
	loops := func(ctx context.Context, body func(p backend.Page) bool) map[string]func() error {
		loop := func(pages iter.Seq2[backend.Page, error]) func() error {
			return func() error {
				for p, err := range pages {
					if err != nil || !body(p) {
						return err
					}
				}
				return nil
			}
		}
		return map[string]func() error{"replay": loop(c.Replay(ctx, after(0))), "follow": loop(c.Follow(ctx, after(0, "s")))}
	}
	connections(t, s.server, 1)
	for name, loop := range loops(t.Context(), func(backend.Page) bool { connections(t, s.server, 2); return false }) {
		require.NoError(t, loop(), name)
		connections(t, s.server, 1)
	}
	for _, name := range []string{"replay", "follow"} {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		err := loops(ctx, func(backend.Page) bool {
			if n++; n == 5 { // while the body runs, not while the loop waits
				cancel()
				connections(t, s.server, 1)
			}
			return true
		})[name]()
		require.ErrorIs(t, err, context.Canceled, name)
		require.Equal(t, 5, n, name)
	}
	ctx, cancel := context.WithCancel(t.Context()) // while it waits for more
	n := 0
	err := loops(ctx, func(p backend.Page) bool {
		if n += len(p.Facts); n == count {
			go cancel()
		}
		return true
	})["follow"]()
	require.ErrorIs(t, err, context.Canceled)
	connections(t, s.server, 1)
}

// TestClose closes a client during calls, loops and an attempt to connect. All end with ErrClosed, and no goroutine or
// descriptor is left. It does not run in parallel, since it counts descriptors.
func TestClose(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0") // the first one also opens the descriptors of Go's poller
	require.NoError(t, err)
	require.NoError(t, first.Close())
	before := descriptors()
	log := newGatedLog()
	s := serve(t, log, "tcp", server.Options{})
	p := startProxy(t, s.options.Address)
	for round := range 10 {
		c, err := network.Dial(t.Context(), hasty(p.through(s.options)))
		require.NoError(t, err)
		_, err = c.WriteFact(t.Context(), numbered(3*round+1))
		require.NoError(t, err)
		var calls sync.WaitGroup
		errs := make(chan error, 100)
		call := func(f func() error) { calls.Go(func() { errs <- f() }) }

		log.shut()
		var ready sync.WaitGroup
		for i := range 8 {
			call(func() error { _, err := c.WriteFact(context.Background(), numbered(100+i)); return err })
			call(func() error {
				_, err := write(context.Background(), c, batchOf(200, 210)...)
				return err
			})
		}
		<-log.waiting
		hold := make(chan struct{})
		for range 2 {
			ready.Add(2)
			call(func() error {
				for _, err := range c.Follow(context.Background(), after(0)) {
					if err != nil {
						return err
					}
					if contents(t, log)[0].ID != "" {
						ready.Done()
					}
					<-hold
				}
				return nil
			})
			call(func() error {
				first := true
				for _, err := range c.Replay(context.Background(), after(0)) {
					if err != nil {
						return err
					}
					if first {
						ready.Done()
						<-hold
						first = false
					}
				}
				return backend.ErrClosed // it has read the whole log
			})
		}
		ready.Wait()
		if round%2 == 1 { // all calls are about to connect again, and stalled
			stalled := make(chan struct{}, 1000)
			p.rules(func(f passing) action {
				if f.up && f.op == protocol.OpHello {
					stalled <- struct{}{}
					return action{fate: stalls}
				}
				return action{}
			})
			p.cut()
			<-stalled
		}
		closed := make(chan error, 2)
		for range 2 {
			go func() { closed <- c.Close() }()
		}
		require.NoError(t, <-closed)
		require.NoError(t, <-closed)
		close(hold)
		calls.Wait()
		close(errs)
		for err := range errs {
			require.ErrorIs(t, err, backend.ErrClosed)
		}
		for name, call := range every(c) {
			require.ErrorIs(t, call(t.Context()), backend.ErrClosed, name)
		}
		log.open()
		for len(log.waiting) > 0 {
			<-log.waiting
		}
		p.rules(nil)
		connections(t, s.server, 0)
	}
	p.stop()
	s.stop(t)
	require.Eventually(t, func() bool { return descriptors() <= before }, eventually, tick, "descriptors are left behind")
}

// descriptors returns the number of open descriptors of the process; 0 if the system does not tell.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
