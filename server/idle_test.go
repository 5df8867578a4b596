// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/server"
)

// TestIdleTimeout: the server ends connections without requests, except subscriptions.
func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, server.Options{IdleTimeout: time.Minute}, nil)
		idle, v1, v2 := l.dial(t), l.dial(t), l.dial(t)
		v2.hello("")
		v1.ask(`{"op":"subscribe"}`)
		v2.ask(`{"op":"subscribe"}`)
		beats := make(chan int)
		go func() {
			n := 0
			for {
				body, err := v2.in.Next()
				if err != nil || len(body) > 0 && body[0] == '{' && body[2] != 'e' {
					beats <- n
					return
				}
				n++
			}
		}()
		for range 3 {
			time.Sleep(50 * time.Second)
			idle.requireAlive()
		}
		start := time.Now()
		idle.requireEnd()
		require.Equal(t, time.Minute, time.Since(start))
		time.Sleep(time.Hour)
		s.write(fact("tasks", "a"))
		require.Contains(t, v1.next(), `"id":"a"`)
		require.Greater(t, <-beats, int(time.Hour/(5*time.Second)), "the other one had heartbeats until its fact came")
		require.Zero(t, s.Metrics().CutOff)
	})
}
