// SPDX-License-Identifier: Apache-2.0

//go:build !windows

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/network"
)

// TestLogReaderIsGone closes the read end of the standard error, and requires that the server goes on.
func TestLogReaderIsGone(t *testing.T) {
	dir, err := os.MkdirTemp("", "ign")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	socket, pid := filepath.Join(dir, "s"), filepath.Join(dir, "pid")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	server := exec.Command("igniter", "serve", "--listen", "unix://"+socket, "--pid-file", pid, "--log-level", "debug")
	server.Stderr = w
	require.NoError(t, server.Start())
	defer func() { _ = server.Process.Kill() }()
	require.NoError(t, errors.Join(r.Close(), w.Close()))
	require.Eventually(t, func() bool { _, err := os.Stat(pid); return err == nil }, patience, time.Millisecond)
	c, err := network.Dial(t.Context(), network.Options{Address: socket})
	require.NoError(t, err)
	defer c.Close()
	for n := range 10 {
		require.NoError(t, server.Process.Signal(syscall.SIGHUP)) // it logs that
		f, err := c.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(n), Store: "s", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		require.EqualValues(t, n+1, f.Seq)
	}
	stats, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 10, stats.Facts)
	require.NoError(t, server.Process.Signal(syscall.SIGTERM))
	require.NoError(t, server.Wait())
}

// TestTerminatedUnderLoad sends SIGTERM to a server while clients write and follow: the server ends, no client is cut off,
// and each acknowledged fact is in the log once.
func TestTerminatedUnderLoad(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir, err := os.MkdirTemp("", "ign") // short, since a socket's path must be
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	socket, log := filepath.Join(dir, "s"), filepath.Join(dir, "log")
	server := exec.Command("igniter", "serve", "--path", log, "--listen", "unix://"+socket, "--http", "127.0.0.1:0",
		"--drain", patience.String(), "--pid-file", filepath.Join(dir, "pid"))
	var said strings.Builder
	server.Stderr = &said
	require.NoError(t, server.Start())
	ended := false
	defer func() {
		if !ended {
			_ = server.Process.Kill()
			_ = server.Wait()
		}
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "pid")); return err == nil }, patience, time.Millisecond)

	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	acknowledged := make([]map[string]uint64, 8)
	var count, followed atomic.Int64
	dial := func() backend.Log {
		c, err := network.Dial(ctx, network.Options{Address: socket})
		require.NoError(t, err)
		return c
	}
	failures := make(chan error, 100)
	for n := range acknowledged {
		c, acks := dial(), map[string]uint64{}
		acknowledged[n] = acks
		clients.Go(func() {
			defer c.Close()
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", n, i)
				f, err := c.WriteFact(ctx, backend.Fact{ID: id, Store: "s", Key: fmt.Sprint(n), Value: []byte(fmt.Sprint(i))})
				if err != nil {
					if ctx.Err() == nil {
						failures <- err
					}
					return
				}
				acks[id] = f.Seq
				count.Add(1)
			}
		})
	}
	for range 2 {
		c := dial()
		clients.Go(func() {
			defer c.Close()
			for p, err := range c.Follow(ctx, backend.Range{}) {
				if err != nil {
					if ctx.Err() == nil {
						failures <- err
					}
					return
				}
				followed.Add(int64(len(p.Facts)))
			}
		})
	}
	require.Eventually(t, func() bool { return count.Load() > 2000 && followed.Load() > 2000 }, patience, time.Millisecond)
	require.NoError(t, server.Process.Signal(syscall.SIGTERM))
	require.NoError(t, server.Wait(), said.String()) // while the clients go on
	ended = true
	stop()
	clients.Wait()
	select {
	case err := <-failures:
		require.NoError(t, err, "a client waits for the server to come back")
	default:
	}
	require.NotContains(t, said.String(), "cut off", "all ended within the time to drain")
	require.Contains(t, said.String(), "drained")

	l, err := file.Open(t.Context(), file.Options{Path: log})
	require.NoError(t, err)
	held := map[string]uint64{}
	for f, err := range backend.Facts(l.Replay(t.Context(), backend.Range{})) {
		require.NoError(t, err)
		require.NotContains(t, held, f.ID)
		held[f.ID] = f.Seq
	}
	require.NoError(t, l.Close())
	total := 0
	for _, acks := range acknowledged {
		for id, seq := range acks {
			require.Equal(t, seq, held[id], "fact %s, which was acknowledged", id)
			total++
		}
	}
	t.Logf("%d facts acknowledged, %d held, %d sent to followers; %s", total, len(held), followed.Load(), lastLines(said.String(), 3))
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
