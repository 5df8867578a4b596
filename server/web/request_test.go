// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/web"
)

// do sends a request with a method.
func (x *site) do(method, path string) (*http.Response, string) {
	x.Helper()
	r, err := http.NewRequestWithContext(x.Context(), method, x.url+path, nil)
	require.NoError(x, err)
	answer, err := x.client.Do(r)
	require.NoError(x, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(x, err)
	return answer, string(body)
}

// TestRefusals: invalid requests are answered with errors in the same form.
func TestRefusals(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	x.write("a", "", "1")
	for _, path := range []string{"/", "/nothing", "/v1/", "/v1/facts/", "//healthz", "/v1/stores/", "/v1/stores//k", "/v1/history/a", "/v1/lineage/", "/v1/diff/a/b"} {
		require.Contains(t, x.get(404, path), `"error_code":"not_found"`, path)
	}
	for path, allow := range map[string]string{"/healthz": "GET, HEAD", "/readyz": "GET, HEAD", "/inside": "GET, HEAD", "/v1/status": "GET, HEAD", "/v1/facts": "GET, HEAD, POST", "/v1/events": "GET, HEAD",
		"/v1/stores/a/k": "GET, HEAD, PUT, DELETE"} {
		answer, _ := x.do(http.MethodOptions, path)
		require.Equal(t, http.StatusNoContent, answer.StatusCode)
		require.Equal(t, allow+", OPTIONS", answer.Header.Get("Allow"))
		require.Empty(t, answer.Header.Get("Access-Control-Allow-Origin"))
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			if strings.Contains(allow, method) {
				continue
			}
			answer, body := x.do(method, path)
			require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode, path)
			require.Equal(t, allow, answer.Header.Get("Allow"))
			require.Contains(t, body, `"error_code":"method_not_allowed"`)
		}
	}
	for _, path := range []string{
		"/v1/facts?limit=x", "/v1/facts?limit=-1", "/v1/facts?stores=a", "/v1/facts?after=1&after=2", "/v1/facts?after=%zz", "/v1/events?limit=1",
		"/v1/stores/a/k?as_off=1", "/v1/stores/a/k?as_of=%zz", "/v1/stores/a/k?at_seq=1&at_seq=2", "/v1/stores/a/k?as_of=0001-01-01",
		"/v1/facts?" + strings.Repeat("where=a=1&", 17), "/v1/events?" + strings.Repeat("where=a=1&", 17), "/v1/facts?where=" + strings.Repeat("a.", 16) + "a=1", "/v1/stores/a/k?as_of=2026", "/v1/facts?since=90",
		"/v1/stores/a/k?as_of=", "/v1/stores/a/k?at_seq=", "/v1/history/a/k?valid_at=", "/v1/events?after=", "/v1/facts?since=", "/v1/facts?store=", "/v1/diff/a?from=&to=now",
		"/v1/stores/a?order=n", "/v1/stores/a?cursor=1:k",
	} {
		require.Contains(t, x.get(400, path), `"error_code":"invalid_request"`, path)
	}
}

// TestHead: HEAD is answered like GET, without the body.
func TestHead(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	x.write("a", "k", "1")
	for path, kind := range map[string]string{
		"/readyz": "application/json", "/v1/facts": "application/x-ndjson", "/v1/events?after=0": "text/event-stream", "/v1/stores/a/k": "application/json",
	} {
		answer, body := x.do(http.MethodHead, path)
		require.Equal(t, http.StatusOK, answer.StatusCode, path)
		require.Equal(t, kind, answer.Header.Get("Content-Type"))
		require.Empty(t, body)
	}
	answer, _ := x.do(http.MethodHead, "/v1/facts?after=x")
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
}

// TestLimit: an answer has at most the given number of facts, of the given stores.
func TestLimit(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	for _, value := range []string{"1", "2", "3"} {
		x.write("a", "k", value)
		x.write("b", "k", value)
	}
	require.Equal(t, 2, strings.Count(x.get(200, "/v1/facts?limit=2"), "\n"))
	require.Equal(t, 6, strings.Count(x.get(200, "/v1/facts?limit=0"), "\n"))
	two := x.get(200, "/v1/facts?after=1&store=b&limit=2")
	require.Contains(t, two, `"seq":2`)
	require.Contains(t, two, `"seq":4`)
	require.Equal(t, 2, strings.Count(two, "\n"))
}

// TestKeysAsTheyAre reads keys that a cleaned path would change, and never gets another key.
func TestKeysAsTheyAre(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	for path, key := range map[string]string{
		"a//b": "a//b", "a%2F%2Fb": "a//b", "a/b": "a/b", ".": ".", "..": "..", "%2E%2E/up": "../up", "tail/": "tail/", "": "", "%25": "%", "a+b": "a+b",
		"q%3Fx%23y": "q?x#y", "%E7%89%9B%E4%B9%B3": "牛乳", "%00": "\x00",
	} {
		x.write("st/ore", key, `"here"`)
		var f struct{ Store, Key string }
		require.NoError(t, json.Unmarshal([]byte(x.get(200, "/v1/stores/st%2Fore/"+path)), &f), path)
		require.Equal(t, "st/ore", f.Store)
		require.Equal(t, key, f.Key)
	}
	x.get(404, "/v1/stores/st/ore/.")
}

// TestIdleOverHTTP2 keeps an idle stream open for longer than a client may take to read.
func TestIdleOverHTTP2(t *testing.T) {
	log := memory.New(memory.Options{})
	s := server.New(log, server.Options{})
	h := web.New(web.Options{WriteTimeout: time.Second, Heartbeat: 1300 * time.Millisecond})
	h.Attach(s, log, nil)
	http2 := httptest.NewUnstartedServer(nil)
	http2.Config = web.NewServer(h, nil, 0)
	http2.EnableHTTP2 = true
	http2.StartTLS()
	defer func() {
		require.NoError(t, s.Close())
		http2.Close()
		require.NoError(t, log.Close())
	}()
	x := &site{T: t, url: http2.URL, log: log, server: s, web: h, client: http2.Client()}
	events := x.events("")
	require.Equal(t, events.began, events.next(), "a heartbeat, long after what was sent before it")
	x.write("a", "k", "1")
	seq, _ := events.fact()
	require.EqualValues(t, 1, seq)
	events.end()
}
