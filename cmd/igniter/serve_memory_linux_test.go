// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/network"
	"github.com/igniter-store/igniter/wire"
)

// TestMemoryLimit: a server that may have 512 MiB of data (RLIMIT_DATA), and limits itself to less, takes facts of 13 MiB over TCP and HTTP, and
// then many clients begin to read them at once in each way that there is. A small fact is written and read meanwhile.
//
// The test binary uses cgo, which reserves the stack of each thread, 8 MiB by default, and counts as data. The command as releases
// build it does not.
func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	said := filepath.Join(t.TempDir(), "said")
	log, err := os.Create(said)
	require.NoError(t, err)
	defer log.Close()
	child := exec.Command("sh", "-c", `ulimit -s 256; ulimit -d 524288; exec "$0" "$@"`, "igniter", "serve", "--path", filepath.Join(t.TempDir(), "log"), "--listen", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0", "--write-timeout", "2s")
	child.Env, child.Stderr = append(os.Environ(), "GOMEMLIMIT="), log
	require.NoError(t, child.Start())
	t.Cleanup(func() {
		_ = child.Process.Signal(syscall.SIGTERM)
		if err := child.Wait(); err != nil {
			text, _ := os.ReadFile(said)
			t.Errorf("the server has not survived: %v: %.3000s", err, text)
		}
	})
	var address, site string // as the server says
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(said)
		require.NoError(t, err)
		tcp, web := regexp.MustCompile(`"address": "([^"]+)"`).FindSubmatch(text), regexp.MustCompile(`"url": "http://([^"]+)"`).FindSubmatch(text)
		if tcp != nil && web != nil {
			address, site = string(tcp[1]), string(web[1])
			require.Contains(t, string(text), "RLIMIT_DATA")
		}
		return address != ""
	}, patience, 10*time.Millisecond)
	url := "http://" + site
	taken := func() (n int) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child.Process.Pid))
		require.NoError(t, err)
		_, after, _ := strings.Cut(string(text), "VmHWM:")
		_, err = fmt.Sscan(after, &n)
		require.NoError(t, err)
		return n << 10
	}

	client, err := network.Dial(t.Context(), network.Options{Address: address})
	require.NoError(t, err)
	defer client.Close()
	value := []byte(`"` + strings.Repeat("v", 13*mib) + `"`)
	small := func(n int) {
		_, err := client.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("small", n), Store: "s", Key: "small", Value: fmt.Append(nil, n)})
		require.NoError(t, err)
	}
	for n := range 6 {
		small(n)
		_, err := client.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint("large", n), Store: "s", Key: "large", Value: value})
		require.NoError(t, err)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/v1/stores/s/large", strings.NewReader(string(value)))
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusCreated, answer.StatusCode)
	}
	written := taken()

	var readers []net.Conn
	begin := func(to string, request []byte) {
		for range 24 {
			nc, err := net.Dial("tcp", to)
			require.NoError(t, err)
			readers = append(readers, nc)
			_, err = nc.Write(request)
			require.NoError(t, err)
		}
	}
	for _, path := range []string{"facts?after=0", "events?after=0", "facts?reverse=1&limit=9", "stores/s/large", "history/s/large", "facts/large5"} {
		begin(site, fmt.Appendf(nil, "GET /v1/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", path))
	}
	for _, op := range []string{"replay", "subscribe"} {
		for _, stores := range []string{"*", "s"} {
			begin(address, wire.AppendFrame(wire.AppendFrame(nil, []byte(`{"op":"hello","protocol":2}`)), fmt.Appendf(nil, `{"op":%q,"after":0,"stores":[%q]}`, op, stores)))
		}
	}
	small(6)
	var reading sync.WaitGroup
	for _, nc := range readers {
		reading.Go(func() {
			_ = nc.SetReadDeadline(time.Now().Add(2 * time.Second))
			_, _ = nc.Read(make([]byte, mib)) // and no more
			time.Sleep(time.Second)
			_ = nc.Close()
		})
	}
	small(7)
	reading.Wait()
	require.Eventually(t, func() bool {
		r, err := http.Get(url + "/v1/stores/s/small")
		require.NoError(t, err)
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		return strings.Contains(string(text), `"value":7`)
	}, patience, 10*time.Millisecond)
	t.Logf("resident: %d MiB after writing, %d MiB after reading", written/mib, taken()/mib)
	require.Less(t, written, 360*mib)
	require.Less(t, taken(), 400*mib)
}
