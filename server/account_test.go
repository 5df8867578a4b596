// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// TestMemoryOfOneClient: the memory of a token's unfinished requests and unread answers is bounded, and takes nothing from
// the clients of other tokens. A refused request works once there is room.
func TestMemoryOfOneClient(t *testing.T) {
	file := newTokenFile(t, admin, tasks)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens, MaxMemory: 20 << 20, MaxMemoryEach: 10 << 20, MaxMemoryConnection: 6 << 20})
	write := func(id string) string {
		return `{"op":"write_fact","fact":{"id":"` + id + `","store":"tasks","key":"k","value":"` + strings.Repeat("v", 1<<20) + `"}}`
	}
	before := live()
	var held []*peer
	for range 40 {
		p := s.with(tasks)
		held = append(held, p)
		require.NoError(t, ignoreReset(p.Write(append(header(2<<20), make([]byte, 2<<20-1)...))))
	}
	eventually(t, "most are refused", func() bool { return s.Metrics().Errors["unavailable"] >= 30 })
	after := live()
	require.Less(t, after-min(before, after), uint64(24<<20))
	other := s.with(admin)
	other.requireOK("%s", write("a"))
	p := s.with(tasks)
	require.NoError(t, ignoreReset(p.Write(framesOf(write("b")))))
	for _, p := range held {
		_ = p.Close()
	}
	eventually(t, "there is room", func() bool { return s.Metrics().Connections <= 2 })
	s.with(tasks).requireOK("%s", write("c"))

	p = s.with(tasks)
	require.NoError(t, ignoreReset(p.Write(framesOf(strings.Repeat(" ", 3<<20)+`{"op":"ping"}`)))) // it takes 9 MiB
	require.Contains(t, p.next(), "too_large")
	require.EqualValues(t, 1, s.Metrics().Errors["too_large"])
}

// ignoreReset returns nil, since the server may have closed the connection.
func ignoreReset(int, error) error { return nil }

// TestMemoryIsFreed: a connection that has sent much, and a server without requests, keep no memory.
func TestMemoryIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, server.Options{MaxMemory: 8 << 20}, nil)
		p := l.dial(t)
		p.hello("")
		for i := range 50 {
			p.requireOK("%s", fmt.Sprintf(`{"op":"write_fact","fact":{"id":"%d","store":"s","key":"k","value":"%s"}}`, i, strings.Repeat("v", 100<<10)))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Zero(t, s.Metrics().Memory)
		p.requireAlive()
		half := framesOf(`{"op":"ping"}`)
		p.sendBytes(half[:5])
		time.Sleep(10 * time.Second)
		p.sendBytes(half[5:])
		require.Contains(t, p.next(), "pong", "the rest of a frame is read on")
	})
}

// TestStreamsOfOneClient: the streams of a token leave room for others.
func TestStreamsOfOneClient(t *testing.T) {
	file := newTokenFile(t, admin, tasks)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens, MaxStreams: 3, MaxStreamsEach: 2})
	a, b := s.with(tasks), s.with(tasks)
	a.requireOK(`{"op":"subscribe"}`)
	b.requireOK(`{"op":"subscribe"}`)
	third := s.with(tasks)
	third.requireCode("unavailable", `{"op":"subscribe"}`)
	third.requireCode("unavailable", `{"op":"replay"}`)
	other := s.with(admin)
	other.requireOK(`{"op":"subscribe"}`)
	s.with(admin).requireCode("unavailable", `{"op":"subscribe"}`)
	require.NoError(t, a.Close())
	eventually(t, "there is room again", func() bool { return third.call(`{"op":"replay"}`).Stream })
	third.toEnd()
}

// TestConnectionsOfOneClient: the connections of a token leave room for others.
func TestConnectionsOfOneClient(t *testing.T) {
	file := newTokenFile(t, admin, tasks)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens, MaxConnections: 3, MaxConnectionsEach: 2})
	s.with(tasks)
	s.with(tasks)
	third := s.dial()
	third.requireCode("unavailable", `{"op":"hello","protocol":2,"token":"tasks"}`)
	third.requireEnd()
	s.with(admin).requireAlive()
}

// TestMemoryOfSmallRequests: many connections that each send some small requests at once take no more than the limit while
// the log is slow, and the requests that find room are answered.
func TestMemoryOfSmallRequests(t *testing.T) {
	slow := make(chan struct{})
	log := backend.Intercept(memory.New(memory.Options{}), backend.Hooks{Write: func(ctx context.Context, batches []backend.Batch, next func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
		<-slow
		return next(ctx, batches...)
	}})
	const limit = 4 << 20
	s := serve(t, "tcp", log, server.Options{MaxMemory: limit})
	var all []*peer
	var requests []string
	for i := range 40 {
		requests = append(requests, writeJSON("tasks", fmt.Sprint(i)))
	}
	for range 80 {
		p := s.dial2()
		p.send(requests...)
		all = append(all, p)
	}
	eventually(t, "some are refused", func() bool { return s.Metrics().Errors["unavailable"] > 0 })
	require.LessOrEqual(t, s.Metrics().Memory, limit)
	require.Greater(t, s.Metrics().Memory, limit/2)
	close(slow)
	taken := 0
	for _, p := range all {
		if answer := p.next(); strings.Contains(answer, `"ok":true`) {
			taken++
		} else {
			require.Contains(t, answer, "unavailable")
		}
	}
	require.Positive(t, taken)
}
