// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestStormOfCommand is TestStorm for a minute, against the command as a process of its own with 512 MiB of memory (RLIMIT_DATA, from
// which the command makes its memory limit), with facts of 13 MiB among the attacks. It prints the latencies of the client that writes and of the client that follows. It needs IGNITER_SOAK=1;
// IGNITER_COMMAND may name a program that is already built.
func TestStormOfCommand(t *testing.T) {
	if os.Getenv("IGNITER_SOAK") == "" {
		t.Skip("it takes more than a minute: set IGNITER_SOAK=1")
	}
	dir := t.TempDir()
	command := os.Getenv("IGNITER_COMMAND")
	if command == "" {
		command = filepath.Join(dir, "igniter")
		build := exec.Command("go", "build", "-o", command, ".")
		build.Dir = "../cmd/igniter"
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	file := newTokenFile(t, admin, tasks)
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		return l.Addr().String()
	}
	address, http := free(), free()
	child := exec.Command("sh", "-c", `ulimit -d 524288; exec "$0" "$@"`, command, "serve", "--path", filepath.Join(dir, "log"), "--listen", "tcp://"+address,
		"--http", http, "--tokens", file.path, "--max-waiting", "200", "--max-waiting-each", "100", "--write-timeout", "2s", "--log-level", "error")
	child.Env = append(os.Environ(), "GOMEMLIMIT=")
	child.Stderr = os.Stderr
	require.NoError(t, child.Start())
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	t.Cleanup(func() {
		_ = child.Process.Signal(syscall.SIGTERM)
		require.NoError(t, <-ended, "the server has survived")
	})
	s := &served{t: t, network: "tcp", address: address}
	require.Eventually(t, func() bool {
		nc, err := net.Dial("tcp", address)
		if err == nil {
			_ = nc.Close()
		}
		return err == nil
	}, hang, 10*time.Millisecond)

	follower, writer := s.with(admin), s.with(admin) // before the attackers fill the room for clients that are not let in yet
	var stop atomic.Bool
	var attacks atomic.Int64
	var attackers sync.WaitGroup
	attack := func(to string, keep int, each func(nc net.Conn)) {
		attackers.Go(func() {
			var held []net.Conn
			for !stop.Load() {
				nc, err := net.Dial("tcp", to)
				if err != nil {
					continue
				}
				_ = nc.SetDeadline(time.Now().Add(time.Second))
				each(nc)
				attacks.Add(1)
				if held = append(held, nc); len(held) > keep {
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
		return func(nc net.Conn) { _, _ = nc.Write(frames) }
	}
	text := func(request string) func(net.Conn) { return func(nc net.Conn) { _, _ = nc.Write([]byte(request)) } }
	hello, root := `{"op":"hello","protocol":2,"token":"tasks"}`, `{"op":"hello","protocol":2,"token":"admin"}`
	big := `"` + strings.Repeat("v", 256<<10) + `"`
	known := `{"op":"write_fact","fact":{"id":"big","store":"tasks","key":"k","value":null}}`
	get := "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"
	attack(address, 300, func(net.Conn) {})                                                                     // idle
	attack(address, 300, func(nc net.Conn) { _, _ = nc.Write(append(header(16<<20), make([]byte, 1<<20)...)) }) // half a frame, and not let in
	attack(address, 20, func(nc net.Conn) { say(hello)(nc); _, _ = nc.Write(append(header(16<<20), make([]byte, 2<<20)...)) })
	attack(address, 20, say(`{"op":"hello","protocol":2,"token":"guess"}`))
	attack(address, 20, say(`{"op":"ping"}`))
	attack(address, 20, say(hello, `{"op":"write_fact","fact":{"id":"big","store":"tasks","key":"k","value":null,"derivation":`+big+`}}`))
	attack(address, 20, say(append([]string{hello}, strings.Split(strings.Repeat(known+"\n", 200), "\n")[:200]...)...))
	attack(address, 20, say(hello, `{"op":"write_batch","facts":[],"expect":[`+strings.Repeat(`{"store":"z","key":"k","id":""},`, 30_000)+`{"store":"z"}]}`))
	attack(address, 20, say(hello, `{"op":"subscribe","after":0,"stores":[`+strings.Repeat(`"tasks",`, 100_000)+`"tasks"]}`))
	attack(address, 20, say(hello, `{"op":"replay","after":0}`, `{"op":"replay","after":0}`))
	attack(address, 20, say(hello, `{"op":"prune","seqs":[`+strings.Repeat(`[1,1000000000],`, 10_000)+`[1,2]]}`))
	attack(address, 20, say(root, `{"op":"prune","seqs":[`+strings.Repeat(`[1000000000,9000000000],`, 10_000)+`[1000000000,1000000001]]}`))
	attack(address, 20, say(root, `{"op":"replay","after":0,"stores":["nobody","nothing"]}`, `{"op":"subscribe","after":0,"stores":["nobody"]}`))
	attack(http, 300, text("GET /v1/events HTTP/1.1\r\nHost: localhost\r\nX: "))
	attack(http, 50, text(fmt.Sprintf(get, "/v1/events?after=0", "tasks")))
	attack(http, 50, text(fmt.Sprintf(get, "/v1/facts?after=0&store=nobody", "admin")))
	attack(http, 50, text(fmt.Sprintf(get, "/v1/stores/unknown/key", "admin")))
	attack(http, 50, text("GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 1<<20)))

	// Large facts: written over TCP and HTTP, a hundred of them and then the same again, half sent, and read in each way by clients that
	// read little of the answer.
	huge := strings.Repeat("v", 13<<20)
	var wrote atomic.Int64
	little := func(nc net.Conn) { _, _ = nc.Read(make([]byte, 64<<10)) }
	attack(address, 5, func(nc net.Conn) {
		say(hello, fmt.Sprintf(`{"op":"write_fact","fact":{"id":"huge%d","store":"tasks","key":"huge","value":"%s"}}`, wrote.Add(1)%100, huge))(nc)
		little(nc)
	})
	attack(http, 5, func(nc net.Conn) {
		text(fmt.Sprintf("PUT /v1/stores/tasks/huge?id=huge%d HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer tasks\r\nContent-Length: %d\r\n\r\n\"%s\"", wrote.Add(1)%100, len(huge)+2, huge))(nc)
		little(nc)
	})
	attack(http, 50, text("PUT /v1/stores/tasks/huge HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer tasks\r\nContent-Length: 16000000\r\n\r\n\"vvvv"))
	for _, path := range []string{"/v1/facts?after=0", "/v1/events?after=0", "/v1/facts?reverse=1&limit=9", "/v1/stores/tasks/huge", "/v1/history/tasks/huge", "/v1/facts/huge1"} {
		attack(http, 50, func(nc net.Conn) { text(fmt.Sprintf(get, path, "tasks"))(nc); little(nc) })
	}
	attack(address, 50, func(nc net.Conn) { say(hello, `{"op":"replay","after":0,"stores":["tasks"]}`)(nc); little(nc) })

	deadline := time.Now().Add(10 * time.Minute)
	require.NoError(t, follower.SetDeadline(deadline))
	require.NoError(t, writer.SetDeadline(deadline))
	follower.requireOK(`{"op":"subscribe","after":0,"stores":["mine"]}`)
	const most = 1 << 20
	sent := make([]time.Time, most+1)
	var written atomic.Int64
	written.Store(-1)
	var delays []time.Duration
	followed := make(chan error, 1)
	go func() {
		for next := 0; int64(next) != written.Load(); {
			facts, control := follower.nextFacts()
			if control != nil && control.Event != "heartbeat" {
				followed <- fmt.Errorf("the stream ended: %+v", control)
				return
			}
			for _, f := range facts {
				if f.ID != fmt.Sprint(next) {
					followed <- fmt.Errorf("fact %q instead of %d", f.ID, next)
					return
				}
				delays = append(delays, time.Since(sent[next]))
				next++
			}
		}
		followed <- nil
	}()
	var took []time.Duration
	n := 0
	for start := time.Now(); time.Since(start) < time.Minute && n < most; n++ {
		sent[n] = time.Now()
		writer.requireOK("%s", writeJSON("mine", fmt.Sprint(n)))
		took = append(took, time.Since(sent[n]))
	}
	stop.Store(true)
	attackers.Wait()
	sent[n] = time.Now()
	written.Store(int64(n + 1)) // the follower checks it after one more fact
	writer.requireOK("%s", writeJSON("mine", fmt.Sprint(n)))
	require.NoError(t, <-followed)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child.Process.Pid))
	require.NoError(t, err)
	peak := ""
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmData") {
			peak += " " + strings.Join(strings.Fields(line), " ")
		}
	}
	of := func(all []time.Duration) string {
		slices.Sort(all)
		return fmt.Sprintf("median %v, 99%% %v, at most %v", all[len(all)/2].Round(time.Microsecond), all[len(all)*99/100].Round(time.Microsecond), all[len(all)-1].Round(time.Microsecond))
	}
	t.Logf("%d attacks, %d large facts sent; %d facts written (%s) and followed (%s); %s", attacks.Load(), wrote.Load(), n, of(took), of(delays), peak)
}
