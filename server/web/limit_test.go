// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/server/web"
)

// TestOtherWebsites: a browser reads nothing for another website, even if the website's name resolves to this machine.
func TestOtherWebsites(t *testing.T) {
	open := newSite(t, memory.New(memory.Options{}), web.Options{Hosts: []string{"log.example"}}, &server.Options{})
	open.write("tasks", "k", "1")
	port := open.url[strings.LastIndex(open.url, ":"):]
	ask := func(path, host string, headers ...string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, open.url+path, nil)
		require.NoError(t, err)
		r.Host = host
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := open.client.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer
	}
	for _, path := range []string{"/v1/facts", "/v1/stores/tasks/k", "/v1/status", "/inside"} {
		for _, host := range []string{"localhost" + port, "127.0.0.1" + port, "[::1]" + port, "[::1]", "LOCALHOST.", "app.localhost", "192.168.1.7", "log.example" + port, "Log.Example"} {
			require.Equal(t, http.StatusOK, ask(path, host).StatusCode, host)
		}
		for _, host := range []string{"evil.example" + port, "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "log.example.evil", "1.2.3"} {
			require.Equal(t, http.StatusForbidden, ask(path, host).StatusCode, host)
		}
		for site, status := range map[string]int{"cross-site": 403, "same-site": 403, "nonsense": 403, "same-origin": 200, "none": 200} {
			answer := ask(path, "localhost", "Sec-Fetch-Site", site)
			require.Equal(t, status, answer.StatusCode, site)
			require.Equal(t, "same-origin", answer.Header.Get("Cross-Origin-Resource-Policy"))
		}
	}
	require.Equal(t, http.StatusOK, ask("/healthz", "evil.example").StatusCode, "it tells nothing")
}

// TestIdleConnections: connections without requests keep no client out, and cut off no client that is being answered.
func TestIdleConnections(t *testing.T) {
	release, handling := make(chan struct{}), make(chan struct{})
	s := httptest.NewUnstartedServer(nil)
	s.Config = web.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(handling)
			<-release
		}
	}), nil, 0)
	s.Start()
	defer s.Close()
	address := s.Listener.Addr().String()
	dial := func(text string) net.Conn {
		nc, err := net.Dial("tcp", address)
		require.NoError(t, err)
		require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
		t.Cleanup(func() { _ = nc.Close() })
		_, err = nc.Write([]byte(text))
		require.NoError(t, err)
		return nc
	}
	waiting := dial("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	<-handling
	first := dial("")
	for i := range web.MaxConnections + 10 {
		dial([]string{"", "GET / HTTP/1.1\r\nHost: x\r\n", "G"}[i%3])
	}
	_, err := first.Read(make([]byte, 1))
	require.Error(t, err, "it made room")
	answer, err := http.ReadResponse(bufio.NewReader(dial("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	close(release)
	answer, err = http.ReadResponse(bufio.NewReader(waiting), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// A stuck client does not read until it is released.
type stuck struct {
	*httptest.ResponseRecorder
	writing, letGo chan struct{}
}

func (w *stuck) SetWriteDeadline(time.Time) error { return nil }

func (w *stuck) Write(p []byte) (int, error) {
	if w.Code == http.StatusOK {
		w.writing <- struct{}{}
		<-w.letGo
	}
	return w.ResponseRecorder.Write(p)
}

// TestStuckClients: unread answers to the clients of one token take no more than its share of memory, and leave room for
// others.
func TestStuckClients(t *testing.T) {
	read := func(e *auth.TokenEntry) { e.Read = []string{"*"} }
	tokens, shown := tokensOf(t, read, read)
	x := newSite(t, memory.New(memory.Options{}), web.Options{MaxBodies: 16 << 20, Heartbeat: time.Hour}, &server.Options{Tokens: tokens})
	x.web.SetPatience(100 * time.Millisecond)
	_, err := x.log.WriteFact(t.Context(), backend.Fact{ID: "large", Store: "a", Key: "large", Value: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)})
	require.NoError(t, err)
	for _, path := range []string{"/v1/events?after=0", "/v1/facts?after=0"} {
		letGo, writing, refused := make(chan struct{}), make(chan struct{}, 100), make(chan int, 100)
		ctx, end := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for range 20 {
			clients.Go(func() {
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
				r.Header.Set("Authorization", shown[0])
				w := &stuck{httptest.NewRecorder(), writing, letGo}
				x.web.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					refused <- w.Code
				}
			})
		}
		stuck := 0
		for n := 0; n < 20; n++ {
			select {
			case <-writing:
				stuck++
			case code := <-refused:
				require.Equal(t, http.StatusServiceUnavailable, code, path)
			}
		}
		require.Positive(t, stuck, path)
		require.LessOrEqual(t, stuck, 8, path)
		if path != "/v1/events?after=0" {
			require.Greater(t, len(x.get(200, path, "Authorization", shown[1])), 1<<20)
		}
		close(letGo)
		end()
		clients.Wait()
	}
}

// TestPlaceOfLog: a client without a token that asks whether a server is ready does not learn the place of its log.
func TestPlaceOfLog(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be removed")
	}
	for _, asks := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "place-of-the-log")
		l, err := file.Open(t.Context(), file.Options{Path: dir})
		require.NoError(t, err)
		var options server.Options
		if asks {
			options.Tokens, _ = tokensOf(t, func(e *auth.TokenEntry) { e.Read = []string{"*"} })
		}
		x := newSite(t, l, web.Options{}, &options)
		require.NoError(t, os.Rename(dir, dir+"-moved"))
		require.Equal(t, !asks, strings.Contains(x.get(503, "/readyz"), "place-of-the-log"))
	}
}
