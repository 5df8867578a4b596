// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store/reader"
)

// TestDescription: openapi.json has exactly the existing routes, with their methods.
func TestDescription(t *testing.T) {
	text, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(text, &doc))
	described := map[string]string{}
	for path, ops := range doc.Paths {
		methods := []string{}
		for _, m := range []string{"get", "put", "post", "delete"} {
			if ops[m] == nil {
				continue
			}
			if methods = append(methods, strings.ToUpper(m)); m == "get" {
				methods = append(methods, "HEAD")
			}
		}
		described[path] = strings.Join(methods, ", ")
	}
	h := web.New(web.Options{})
	h.Handle("/metrics", http.NotFoundHandler())
	there := h.Routes()
	delete(there, "/") // only redirects browsers
	require.Equal(t, slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(there)))
	require.Equal(t, described, there)
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	require.Equal(t, string(text), x.get(200, "/openapi.json"))
}

// send sends a request with a body.
func (x *site) send(status int, method, path, body string, headers ...string) (http.Header, string) {
	x.Helper()
	r, err := http.NewRequestWithContext(x.Context(), method, x.url+path, strings.NewReader(body))
	require.NoError(x, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := x.client.Do(r)
	require.NoError(x, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(x, err)
	require.Equal(x, status, answer.StatusCode, "%s %s: %s", method, path, text)
	return answer.Header, string(text)
}

// tokensOf returns tokens. Each function changes the entry of one token, in order.
func tokensOf(t *testing.T, change ...func(e *auth.TokenEntry)) (*auth.Tokens, []string) {
	var shown []string
	var entries []auth.TokenEntry
	for i, f := range change {
		token, entry := auth.NewToken(fmt.Sprint("t", i))
		f(&entry)
		shown, entries = append(shown, "Bearer "+token), append(entries, entry)
	}
	tokens, _ := tokensIn(t, entries...)
	return tokens, shown
}

// TestOrigins: scripts of websites that the operator names may send requests, scripts of others may not.
func TestOrigins(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{Origins: []string{"https://shop.example"}}, &server.Options{})
	x.write("a", "k", "1")
	for origin, allowed := range map[string]bool{"https://shop.example": true, "https://evil.example": false, "http://shop.example": false, "null": false} {
		head, _ := x.send(204, "OPTIONS", "/v1/stores/a/k", "", "Origin", origin, "Access-Control-Request-Method", "PUT")
		require.Equal(t, allowed, head.Get("Access-Control-Allow-Origin") == origin, origin)
		require.Equal(t, allowed, strings.Contains(head.Get("Access-Control-Allow-Methods"), "PUT"))
		require.Contains(t, head.Values("Vary"), "Origin")
		status := map[bool]int{true: 200, false: 403}[allowed]
		head, _ = x.send(status, "GET", "/v1/stores/a/k", "", "Origin", origin, "Sec-Fetch-Site", "cross-site")
		require.Equal(t, allowed, head.Get("Access-Control-Allow-Origin") == origin)
		x.send(map[bool]int{true: 201, false: 403}[allowed], "PUT", "/v1/stores/a/k", "2", "Origin", origin)
	}
	x.send(201, "PUT", "/v1/stores/a/k", "3", "Origin", x.url, "Sec-Fetch-Site", "same-origin")
}

// TestEventsWhileOpening: a client that asks for events before the log is open waits, gets the events, and is let in only then.
func TestEventsWhileOpening(t *testing.T) {
	tokens, shown := tokensOf(t, func(e *auth.TokenEntry) { e.Read = []string{"*"} })
	log := memory.New(memory.Options{})
	x := newSite(t, log, web.Options{Progress: func() web.Progress { return web.Progress{Done: 3, Total: 7} }, Heartbeat: time.Millisecond}, nil)
	first := x.write("a", "k", "1")
	begin := func(headers ...string) *bufio.Scanner {
		answer := x.ask(t.Context(), "/v1/events?after=0", headers...)
		t.Cleanup(func() { _ = answer.Body.Close() })
		require.Equal(t, 200, answer.StatusCode)
		lines := bufio.NewScanner(answer.Body)
		require.True(t, lines.Scan())
		require.Equal(t, "retry: 1000", lines.Text())
		return lines
	}
	until := func(lines *bufio.Scanner, want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("no %s: %v", want, lines.Err())
	}
	good, bad := begin("Authorization", shown[0]), begin()
	resumed := begin("Authorization", shown[0], "Last-Event-ID", "1")
	for lines, id := range map[*bufio.Scanner]string{resumed: "id: 1", good: "id: 0"} {
		require.True(t, lines.Scan())
		require.Equal(t, id, lines.Text(), "the first chunk has an ID")
	}
	for _, lines := range []*bufio.Scanner{good, bad} {
		until(lines, ": the log is being opened, 3 of 7 bytes")
	}
	x.server = server.New(log, server.Options{Tokens: tokens})
	x.reader = reader.New(log, reader.Options{})
	x.web.Attach(x.server, log, x.reader)
	until(good, "event: fact")
	require.True(t, good.Scan())
	require.Contains(t, good.Text(), fmt.Sprintf(`"seq":%d,`, first.Seq))
	until(bad, "event: igniter-error")
	require.True(t, bad.Scan())
	require.Contains(t, bad.Text(), "unauthenticated")
	x.write("a", "k", "2")
	until(resumed, "event: fact")
	require.True(t, resumed.Scan())
	require.Contains(t, resumed.Text(), `"seq":2,`)
}

// TestEventFilters: a client gets only the facts that it asks for, with their changes, and its cursor moves over the
// others.
func TestEventFilters(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{Heartbeat: time.Millisecond}, &server.Options{})
	x.write("a", "k1", `{"n":1}`)
	_, err := x.reader.Keys(t.Context(), nil, query.KeysQuery{Store: "a"}) // loads it
	require.NoError(t, err)
	events := x.events("?after=0&prefix=k&where=n%3E1&changes=1&store=a")
	x.write("a", "j", `{"n":5}`)
	x.write("b", "k", `{"n":5}`)
	x.write("a", "k1", `{"n":7}`)
	for {
		lines := events.next()
		if len(lines) == 3 {
			require.Contains(t, lines[2], `"seq":4,`)
			require.Contains(t, lines[2], `"kind":"changed","changes":[{"field":"n","old":1,"new":7}]`)
			break
		}
	}
	subscribers := x.web.Subscribers()
	require.Len(t, subscribers, 1)
	require.Equal(t, []string{"a"}, subscribers[0].Stores)
	require.Equal(t, "http", subscribers[0].Kind)
}

// large writes a large value under a key that is a number.
func (x *site) large(store string, key, size int) {
	x.Helper()
	_, err := x.log.WriteFact(x.Context(), backend.Fact{ID: fmt.Sprint(store, key), Store: store, Key: fmt.Sprint(key), Value: []byte(`"` + strings.Repeat("x", size) + `"`)})
	require.NoError(x, err)
}

// TestCompression: large answers are compressed for clients that accept it, with the same content.
func TestCompression(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	for i := range 200 {
		x.large("a", i, 400)
	}
	for _, path := range []string{"/v1/facts", "/v1/stores/a", "/v1/history/a/3?ticks=1"} {
		plain := x.ask(t.Context(), path, "Accept-Encoding", "gzip;q=0, br")
		want, err := io.ReadAll(plain.Body)
		require.NoError(t, err)
		require.NoError(t, plain.Body.Close())
		require.Empty(t, plain.Header.Get("Content-Encoding"))
		packed := x.ask(t.Context(), path, "Accept-Encoding", "gzip, zstd")
		text, err := io.ReadAll(packed.Body)
		require.NoError(t, err)
		require.NoError(t, packed.Body.Close())
		if len(want) < 1024 && path != "/v1/facts" {
			continue
		}
		require.Equal(t, "zstd", packed.Header.Get("Content-Encoding"), path)
		z, err := zstd.NewReader(bytes.NewReader(text))
		require.NoError(t, err)
		got, err := io.ReadAll(z)
		z.Close()
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
		require.Less(t, len(text), len(want)/2)
		require.Equal(t, string(want), x.get(200, path), "gzip, as Go asks for it")
	}
}

// TestFixedSeq: answers at a fixed seq have a stable ETag, and the seq of the read.
func TestFixedSeq(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	x.write("a", "k", "1")
	x.write("a", "k", "2")
	for _, path := range []string{"/v1/stores/a/k?at_seq=1", "/v1/facts/ak1"} {
		answer := x.ask(t.Context(), path)
		require.NoError(t, answer.Body.Close())
		tag := answer.Header.Get("ETag")
		require.NotEmpty(t, tag)
		require.NotEmpty(t, answer.Header.Get("Igniter-Seq"))
		x.write("a", "k", fmt.Sprintf("%q", path))
		x.get(304, path, "If-None-Match", tag)
		x.get(304, path, "If-None-Match", `"other", W/`+tag)
		x.get(200, path, "If-None-Match", `"other"`)
	}
	var keys query.Keys
	require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(x.get(200, "/v1/stores/a?at_seq=1"), `"records"`, `"r"`)), &keys))
	require.Equal(t, []any{uint64(4), query.Place{Seq: 1, Time: keys.Place.Time}}, []any{keys.Seq, keys.Place})
}

// TestCounts: requests are counted by route, code and token, and logged.
func TestCounts(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	tokens, shown := tokensOf(t, func(e *auth.TokenEntry) { e.Read = []string{"*"} })
	serverLog, refused := observer.New(zap.InfoLevel)
	x := newSite(t, memory.New(memory.Options{}), web.Options{Logger: zap.New(core)}, &server.Options{Tokens: tokens, Logger: zap.New(serverLog)})
	for range 3 {
		x.get(404, "/v1/stores/a/k", "Authorization", shown[0])
	}
	for range 30 {
		x.get(401, "/v1/facts", "Authorization", "Bearer wrong")
	}
	x.get(404, "/nothing")
	got := map[string]uint64{}
	for _, n := range x.web.Requests() {
		got[fmt.Sprint(n.Route, " ", n.Code, " ", n.Client)] = n.Count
		require.Equal(t, n.Count, n.Took.Count)
	}
	require.Equal(t, map[string]uint64{"/v1/stores/{store}/{key} 404 t0": 3, "/v1/facts 401 ": 30, "other 404 ": 1}, got)
	require.Len(t, logs.FilterMessage("answered a request").All(), 34)
	all := refused.FilterMessage("a login was refused").All()
	require.Len(t, all, 10, "and then every thousandth")
	require.Contains(t, all[0].ContextMap()["client"], "127.0.0.1:")
	require.Equal(t, uint64(30), x.server.Metrics().Errors["unauthenticated"])
}

// TestCosts: a request that needs a store in memory is refused unless the client asks to load it.
func TestCosts(t *testing.T) {
	log := memory.New(memory.Options{})
	x := newSite(t, log, web.Options{}, &server.Options{})
	small := reader.New(log, reader.Options{Memory: 4 << 20})
	defer small.Close()
	x.web.Attach(x.server, log, small)
	for i := range 20 {
		x.large("a", i, 100_000)
	}
	require.Regexp(t, `"error_code":"not_loaded".*"store":"a","facts":20,"bytes":\d+`, x.get(428, "/v1/stores/a"))
	x.get(200, "/v1/stores/a/3")
	require.Contains(t, x.get(200, "/v1/stores/a?load=1"), `"value_bytes":100002`)
	require.Contains(t, x.get(200, "/v1/stores"), `"loaded":true`)
}

// TestMarks: values are answered unchanged, also if they look like HTML.
func TestMarks(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	x.send(201, "PUT", "/v1/stores/a/k?id=first", `{"html":"<b> & </b>"}`)
	x.send(201, "PUT", "/v1/stores/a/k", `{"html":"<b> & </b>","n":1}`)
	_, text := x.send(409, "PUT", "/v1/stores/a/k", "1", "If-None-Match", "*")
	require.Contains(t, text, "<b> & </b>")
	for _, path := range []string{"/v1/stores/a/k", "/v1/stores/a", "/v1/history/a/k", "/v1/facts/first", "/v1/facts?reverse=1&changes=1", "/v1/lineage/first?effects=1&values=1", "/v1/diff/a"} {
		text := x.get(200, path)
		require.Contains(t, text, `{"html":"<b> & </b>"`, path)
		require.NotContains(t, text, `\u0`, path)
	}
}

// TestFromBeginning compares with the empty log, with any valid time.
func TestFromBeginning(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	x.send(201, "PUT", "/v1/stores/a/k?valid_at=2020-01-02", "1")
	for _, from := range []string{"", "from=0", "from_valid=2021-01-01", "from=0&from_valid=now", "key=k&from=0&from_valid=2021-01-01"} {
		require.Contains(t, x.get(200, "/v1/diff/a?to_valid=2021-01-01&"+from), `"entered":1,`, from)
	}
	require.Contains(t, x.get(200, "/v1/diff/a?from=now&from_valid=2021-01-01&to_valid=2022-01-01"), `"entered":0,`)
	x.get(400, "/v1/diff/a?to=0")
}

// TestFront: browsers are redirected to the inspector.
func TestFront(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	x.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	head, _ := x.send(302, "GET", "/", "", "Accept", "text/html,*/*")
	require.Equal(t, "ui/", head.Get("Location"))
	x.send(404, "GET", "/", "")
	none := newSite(t, memory.New(memory.Options{}), web.Options{NoUI: true}, &server.Options{})
	none.send(404, "GET", "/", "", "Accept", "text/html")
}
