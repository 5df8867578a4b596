// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"math"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
)

// TestStorm: unauthenticated clients and a client that may write one store attack in all ways at once. Meanwhile a normal
// client writes, and another follows: neither loses a fact, and the memory in use stays below the limit. It takes a second
// or two, or a minute with IGNITER_SOAK=1.
func TestStorm(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(512 << 20))
	file := newTokenFile(t, admin, tasks)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens, MaxWaiting: 100, MaxWaitingEach: 50, WriteTimeout: time.Second})
	rounds, lasts := 12, time.Duration(0)
	if os.Getenv("IGNITER_SOAK") != "" {
		rounds, lasts = math.MaxInt, time.Minute
	}
	follower, writer := s.with(admin), s.with(admin) // before the attackers fill the room for clients that are not let in yet
	var stop atomic.Bool
	var attacks atomic.Int64
	var attackers sync.WaitGroup
	attack := func(each func(nc net.Conn)) {
		attackers.Go(func() {
			var held []net.Conn
			for i := 0; i < rounds && !stop.Load(); i++ {
				nc, err := net.Dial(s.network, s.address)
				if err != nil {
					continue
				}
				_ = nc.SetDeadline(time.Now().Add(time.Second))
				each(nc)
				attacks.Add(1)
				if held = append(held, nc); len(held) > 20 {
					_ = held[0].Close()
					held = held[1:]
				}
			}
			for _, nc := range held {
				_ = nc.Close()
			}
		})
	}
	say := func(bodies ...string) func(net.Conn) {
		frames := framesOf(bodies...)
		return func(nc net.Conn) { _, _ = nc.Write(frames) } // the server may close the connection
	}
	hello := `{"op":"hello","protocol":2,"token":"tasks"}`
	big := `"` + strings.Repeat("v", 256<<10) + `"`
	known := `{"op":"write_fact","fact":{"id":"big","store":"tasks","key":"k","value":null}}`
	attack(func(net.Conn) {})                                                                                                                    // idle
	attack(say(`{"op":"ping"}`))                                                                                                                 // without a login
	attack(say(`{"op":"hello","protocol":2,"token":"guess"}`))                                                                                   // guesses
	attack(func(nc net.Conn) { _, _ = nc.Write(append(header(16<<20), make([]byte, 1<<20)...)) })                                                // half a frame, and not let in
	attack(func(nc net.Conn) { say(hello)(nc); _, _ = nc.Write(append(header(16<<20), make([]byte, 2<<20)...)) })                                // half a frame
	attack(say(hello, `{"op":"write_fact","fact":{"id":"big","store":"tasks","key":"k","value":null,"derivation":`+big+`}}`))                    // large facts
	attack(say(append([]string{hello}, strings.Split(strings.Repeat(known+"\n", 200), "\n")[:200]...)...))                                       // small requests for them
	attack(say(hello, `{"op":"write_batch","facts":[],"expect":[`+strings.Repeat(`{"store":"z","key":"k","id":""},`, 30_000)+`{"store":"z"}]}`)) // lists
	attack(say(hello, `{"op":"subscribe","after":0,"stores":[`+strings.Repeat(`"tasks",`, 100_000)+`"tasks"]}`))                                 // streams that are not read
	attack(say(hello, `{"op":"replay","after":0}`, `{"op":"replay","after":0}`))

	deadline := time.Now().Add(lasts + 10*hang)
	require.NoError(t, follower.SetDeadline(deadline))
	require.NoError(t, writer.SetDeadline(deadline))
	follower.requireOK(`{"op":"subscribe","after":0,"stores":["mine"]}`)
	n, most := 0, uint64(0)
	for start := time.Now(); time.Since(start) < lasts || n < 50 || lasts == 0 && attacks.Load() < int64(10*rounds); n++ {
		writer.requireOK("%s", writeJSON("mine", fmt.Sprint(n)))
		if n%100 == 20 {
			most = max(most, live())
		}
	}
	stop.Store(true)
	attackers.Wait()
	for next := 0; next < n; {
		facts, control := follower.nextFacts()
		if control != nil {
			require.Equal(t, "heartbeat", control.Event)
		}
		for _, f := range facts {
			require.Equal(t, fmt.Sprint(next), f.ID)
			next++
		}
	}
	t.Logf("%d attacks, %d facts written and followed, at most %d MiB in use", attacks.Load(), n, most>>20)
	require.Less(t, most, uint64(512<<20))
	for _, f := range s.facts() {
		require.True(t, f.Store == "mine" || f.ID == "big", "%.100s", f.ID)
	}
}
