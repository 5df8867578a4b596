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
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// TestDescription: openapi.json has the routes that there are, with their methods.
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
	delete(there, "/") // leads browsers elsewhere
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

// tokensOf returns tokens of which each has its entry changed by a function, in their order.
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

// TestWrite: values are written, deleted and written only if they are what the client has read.
func TestWrite(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{MaxBody: 1000}, &server.Options{})
	head, _ := x.send(201, "PUT", "/v1/stores/tasks/a%2Fb", ` {"n": 1} `, "If-None-Match", "*")
	first := head.Get("ETag")
	require.Equal(t, "1", head.Get("Igniter-Seq"))
	require.Contains(t, x.get(200, head.Get("Location")), `"value":{"n":1}`)
	answer := x.ask(t.Context(), "/v1/stores/tasks/a/b")
	require.Equal(t, first, answer.Header.Get("ETag"))
	require.NoError(t, answer.Body.Close())
	x.get(304, "/v1/stores/tasks/a/b", "If-None-Match", first)
	head, _ = x.send(201, "PUT", "/v1/stores/tasks/a/b?valid_at=2026-01-02&producer=ana", "2", "If-Match", first)
	second := head.Get("ETag")
	for _, condition := range [][2]string{{"If-Match", first}, {"If-None-Match", "*"}} {
		_, text := x.send(409, "PUT", "/v1/stores/tasks/a/b", "3", condition[0], condition[1])
		var conflict struct {
			Code   string `json:"error_code"`
			Latest struct {
				ID       string
				Value    int
				Producer string
				Valid    time.Time
			}
		}
		require.NoError(t, json.Unmarshal([]byte(text), &conflict))
		require.Equal(t, "conflict", conflict.Code)
		require.Equal(t, second, `"`+conflict.Latest.ID+`"`)
		require.Equal(t, []any{2, "ana", "2026-01-02"}, []any{conflict.Latest.Value, conflict.Latest.Producer, conflict.Latest.Valid.Format(time.DateOnly)})
	}
	x.send(201, "DELETE", "/v1/stores/tasks/a/b", "", "If-Match", second)
	require.Contains(t, x.get(404, "/v1/stores/tasks/a/b"), `"error_code":"deleted"`)
	require.Contains(t, x.get(404, "/v1/stores/tasks/other"), `"error_code":"never_written"`)
	_, text := x.send(409, "PUT", "/v1/stores/tasks/other", "3", "If-Match", first)
	require.Contains(t, text, `"latest":null`)

	x.send(201, "PUT", "/v1/stores/tasks/once?id=1", "1")
	x.send(200, "PUT", "/v1/stores/tasks/once?id=1", "1")
	_, text = x.send(409, "PUT", "/v1/stores/tasks/once?id=1", "2")
	require.Contains(t, text, `"error_code":"id_reused"`)
	for _, bad := range []string{"", "{", `{"a":1,"a":2}`, "1 2", "\xff"} {
		_, text = x.send(422, "PUT", "/v1/stores/tasks/bad", bad)
		require.Contains(t, text, `"error_code":"invalid_fact"`)
	}
	x.send(413, "PUT", "/v1/stores/tasks/large", `"`+strings.Repeat("x", 1000)+`"`)
	for _, bad := range []string{"?ID=1", "?valid_at=then", "?id=1&id=2"} {
		x.send(400, "PUT", "/v1/stores/tasks/k"+bad, "1")
	}
	x.send(400, "PUT", "/v1/stores/tasks/k", "1", "If-Match", "nothing")
	x.send(400, "DELETE", "/v1/stores/tasks/k", "1")
	for _, name := range []string{"If-Unmodified-Since", "Content-Range", "Content-Encoding"} {
		x.send(400, "PUT", "/v1/stores/tasks/k", "1", name, "gzip")
		x.send(400, "POST", "/v1/facts", `{"id":"i","store":"tasks","key":"k","value":1}`, name, "gzip", "Content-Type", "application/json")
	}
	x.send(400, "POST", "/v1/facts", `{"id":"i","store":"tasks","key":"k","value":1}`, "If-None-Match", "*", "Content-Type", "application/json")
	x.get(404, "/v1/stores/tasks/k")
}

// TestBodies: one client's unfinished bodies leave room for those of others.
func TestBodies(t *testing.T) {
	write := func(e *auth.TokenEntry) { e.Read, e.Write = []string{"*"}, []string{"*"} }
	tokens, shown := tokensOf(t, write, write)
	x := newSite(t, memory.New(memory.Options{}), web.Options{MaxBody: 1 << 10, MaxBodies: 24 << 10}, &server.Options{Tokens: tokens})
	var unfinished []*io.PipeWriter
	answers := make(chan int, 2)
	for i := range 2 {
		body, more := io.Pipe()
		unfinished = append(unfinished, more)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, x.url+fmt.Sprintf("/v1/stores/a/%d", i), body)
		require.NoError(t, err)
		r.Header.Set("Authorization", shown[0])
		go func() {
			answer, err := x.client.Do(r)
			if err != nil {
				answers <- 0
				return
			}
			_ = answer.Body.Close()
			answers <- answer.StatusCode
		}()
	}
	full := func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, x.url+"/v1/stores/a/k", strings.NewReader("1"))
		require.NoError(t, err)
		r.Header.Set("Authorization", shown[0])
		answer, err := x.client.Do(r)
		require.NoError(t, err)
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusServiceUnavailable
	}
	for !full() { // until both are being read
		runtime.Gosched()
	}
	x.send(201, "PUT", "/v1/stores/a/others", "1", "Authorization", shown[1])
	for _, more := range unfinished {
		_, err := io.WriteString(more, "1")
		require.NoError(t, err)
		require.NoError(t, more.Close())
		require.Equal(t, http.StatusCreated, <-answers)
	}
	require.False(t, full(), "the room was given back")
}

// TestTwins: an ID that two stores have names no fact alone.
func TestTwins(t *testing.T) {
	log := memory.New(memory.Options{})
	x := newSite(t, log, web.Options{}, &server.Options{})
	for i, store := range []string{"a", "b"} {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: "twin", Store: store, Key: "k", Value: fmt.Append(nil, i)})
		require.NoError(t, err)
	}
	for _, path := range []string{"/v1/facts/twin", "/v1/lineage/twin"} {
		require.Contains(t, x.get(400, path), "name the store")
		require.Contains(t, x.get(200, path+"?store=a"), `"seq":1`)
		require.Contains(t, x.get(200, path+"?store=b"), `"seq":2`)
		x.get(404, path+"?store=c")
	}
}

// A watched body calls reads when it is read.
type watched struct {
	io.Reader
	reads func()
}

func (w watched) Read(p []byte) (int, error) {
	w.reads()
	return w.Reader.Read(p)
}

// TestStuckWrites: a client that begins writes and does not send their bodies has no more of them than its share.
func TestStuckWrites(t *testing.T) {
	write := func(e *auth.TokenEntry) { e.Read, e.Write = []string{"*"}, []string{"*"} }
	tokens, shown := tokensOf(t, write, write)
	x := newSite(t, memory.New(memory.Options{}), web.Options{MaxStreams: 4, MaxStreamsEach: 2}, &server.Options{Tokens: tokens})
	put := func(token string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, x.url+"/v1/stores/a/k", strings.NewReader("1"))
		require.NoError(t, err)
		r.Header.Set("Authorization", token)
		answer, err := x.client.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	var clients sync.WaitGroup
	var unfinished []*io.PipeWriter
	for range 2 {
		body, more := io.Pipe()
		unfinished = append(unfinished, more)
		reading := make(chan struct{})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v1/stores/a/k", watched{body, sync.OnceFunc(func() { close(reading) })})
		r.ContentLength = 1
		r.Header.Set("Authorization", shown[0])
		clients.Go(func() { x.web.ServeHTTP(httptest.NewRecorder(), r) })
		<-reading
	}
	require.Equal(t, http.StatusServiceUnavailable, put(shown[0]))
	require.Equal(t, http.StatusCreated, put(shown[1]))
	x.get(200, "/v1/stores/a/k", "Authorization", shown[0])
	for _, more := range unfinished {
		_, err := io.WriteString(more, "2")
		require.NoError(t, err)
		require.NoError(t, more.Close())
	}
	clients.Wait()
	require.Equal(t, http.StatusCreated, put(shown[0]))
}

// TestWriteAll: a body of facts is written whole or not at all, and again without harm.
func TestWriteAll(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	line := func(id, value string) string {
		return fmt.Sprintf(`{"id":%q,"store":"tasks","key":%q,"value":%s}`, id, id, value) + "\n"
	}
	kind := []string{"Content-Type", "application/x-ndjson"}
	_, text := x.send(201, "POST", "/v1/facts", line("a", "1")+"\n"+line("b", "2"), kind...)
	require.Contains(t, text, `"new":2`)
	_, text = x.send(201, "POST", "/v1/facts", line("a", "1")+line("c", "3"), kind...)
	require.Contains(t, text, `"new":1`)
	_, text = x.send(200, "POST", "/v1/facts", line("a", "1"), kind...)
	require.Contains(t, text, `"new":0`)
	_, text = x.send(422, "POST", "/v1/facts", line("d", "1")+"\n"+line("e", "{"), kind...)
	require.Contains(t, text, "line 3")
	x.send(409, "POST", "/v1/facts", line("d", "1")+line("a", "7"), kind...)
	x.send(409, "POST", "/v1/facts?expect=tasks/a=b", line("d", "1"), kind...)
	require.Equal(t, 3, strings.Count(x.get(200, "/v1/facts"), "\n"), "nothing of what was refused is there")
	x.send(201, "POST", "/v1/facts?expect=tasks/a=a&expect=tasks/d=", line("d", "1"), kind...)
	x.send(415, "POST", "/v1/facts", line("f", "1"), "Content-Type", "text/plain")
	x.send(400, "POST", "/v1/facts?expect=tasks", line("f", "1"), kind...)

	x.send(201, "PUT", "/v1/stores/tasks/large", strconv.Quote(strings.Repeat("x", query.MaxValue)))
	cut := x.get(200, "/v1/facts?reverse=1&changes=1&limit=1")
	require.Contains(t, cut, `"value":null`)
	for _, line := range []string{cut, `{"id":"f","store":"tasks","key":"a"}`, `{"id":"f","store":"tasks","key":"a","data":1}`} {
		_, text = x.send(422, "POST", "/v1/facts", line, kind...)
		require.Contains(t, text, "value", "it would delete the key")
	}
	x.send(201, "POST", "/v1/facts", line("f", "null"), kind...)

	other := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	other.send(201, "POST", "/v1/facts", x.get(200, "/v1/facts"), kind...)
	require.Equal(t, x.get(200, "/v1/facts"), other.get(200, "/v1/facts"), "what is read can be written")
}

// TestNarrowTokens: a token writes and sees its own stores, and learns nothing of others.
func TestNarrowTokens(t *testing.T) {
	tokens, shown := tokensOf(t, func(e *auth.TokenEntry) { e.Read, e.Write = []string{"a"}, []string{"a", "drop"} }, func(e *auth.TokenEntry) { e.Read, e.Admin = []string{"*"}, true })
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{Tokens: tokens})
	narrow := []string{"Authorization", shown[0]}
	secret, err := x.log.WriteFact(t.Context(), backend.Fact{ID: "theirs", Store: "secret", Key: "k", Value: []byte(`"secret"`)})
	require.NoError(t, err)
	_, err = x.log.WriteFact(t.Context(), backend.Fact{ID: "mine", Store: "a", Key: "k", Value: []byte(`"mine"`), Derivation: fmt.Appendf(nil, `{"rule":"r","sources":[%q]}`, secret.ID)})
	require.NoError(t, err)
	_, err = x.log.WriteFact(t.Context(), backend.Fact{ID: "after", Store: "secret", Key: "k2", Value: []byte(`"secret"`), Derivation: []byte(`{"rule":"r","sources":["mine"]}`)})
	require.NoError(t, err)
	for _, path := range []string{"/v1/stores", "/v1/stores/a", "/v1/stores/a/k", "/v1/history/a/k", "/v1/facts", "/v1/facts?reverse=1&changes=1", "/v1/facts/mine", "/v1/lineage/mine?effects=1&values=1", "/v1/diff/a",
		"/v1/histogram?by=store", "/v1/moment", "/v1/whoami"} {
		require.NotContains(t, x.get(200, path, narrow...), "secret", path)
		x.get(401, path)
	}
	for _, path := range []string{"/v1/stores/secret", "/v1/stores/secret/k", "/v1/stores/none/k", "/v1/history/secret/k", "/v1/facts?store=secret", "/v1/diff/secret", "/v1/histogram?store=secret", "/v1/moment?store=secret", "/v1/status", "/v1/events?store=secret"} {
		require.Contains(t, x.get(403, path, narrow...), `"error_code":"forbidden"`, path)
	}
	for _, path := range []string{"/v1/facts/after", "/v1/lineage/after"} {
		require.Equal(t, strings.ReplaceAll(x.get(404, path, narrow...), "after", "none"), x.get(404, strings.ReplaceAll(path, "after", "none"), narrow...))
	}
	require.Contains(t, x.get(200, "/v1/whoami", narrow...), `"name":"t0","read":["a"],"write":["a","drop"],"import":false,"admin":false,"read_only":false,"writable":true`)
	require.Contains(t, x.get(200, "/v1/lineage/mine?effects=1", "Authorization", shown[1]), `"id":"after"`)
	var mine struct{ Time time.Time }
	require.NoError(t, json.Unmarshal([]byte(x.get(200, "/v1/stores", narrow...)), &mine))
	require.Zero(t, mine.Time, "when others wrote is not said")

	x.send(201, "PUT", "/v1/stores/a/new", "1", narrow...)
	x.send(403, "PUT", "/v1/stores/secret/new", "1", narrow...)
	x.send(403, "PUT", "/v1/stores/a/new", "1", "Authorization", shown[1])
	x.send(401, "PUT", "/v1/stores/a/new", "1")
	_, text := x.send(409, "PUT", "/v1/stores/drop/new", "1", append(narrow, "If-Match", `"x"`)...)
	require.NotContains(t, text, `"latest":`)
	x.send(403, "POST", "/v1/facts", `{"id":"i","store":"a","key":"k","value":1,"transaction_time":5.0}`, append(narrow, "Content-Type", "application/x-ndjson")...)
	require.Equal(t, uint64(13), x.server.Metrics().Errors["unauthenticated"])
}

// TestStamp: a server that stamps facts stamps those that come over HTTP, too.
func TestStamp(t *testing.T) {
	tokens, shown := tokensOf(t, func(e *auth.TokenEntry) { e.Read, e.Write = []string{"*"}, []string{"*"} })
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{Tokens: tokens, StampProducer: true})
	_, text := x.send(201, "PUT", "/v1/stores/a/k", "1", "Authorization", shown[0])
	require.Contains(t, text, `"by":"t0"`)
	x.send(403, "POST", "/v1/facts", `{"id":"i","store":"a","key":"k","value":1,"by":"boss"}`, "Authorization", shown[0], "Content-Type", "application/x-ndjson")
	require.Contains(t, x.get(200, "/v1/history/a/k", "Authorization", shown[0]), `"by":"t0"`)
}

// TestOrigins: scripts of websites that the operator names may ask, those of others may not.
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

// TestEventFilters: a client gets only the facts that it asks for, with what they changed, and its cursor moves over the others.
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

// TestCompression: large answers are compressed for clients that accept it, and say the same.
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

// TestFixedSeq: answers at a fixed seq have an ETag that stays, and say at which seq they were read.
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

// TestCosts: what needs a store in memory is not taken, but asked for.
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

// TestMarks: values are answered as the log holds them, also what would be marks in HTML.
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

// TestFromBeginning compares with the empty log, whichever valid time is given.
func TestFromBeginning(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	x.send(201, "PUT", "/v1/stores/a/k?valid_at=2020-01-02", "1")
	for _, from := range []string{"", "from=0", "from_valid=2021-01-01", "from=0&from_valid=now", "key=k&from=0&from_valid=2021-01-01"} {
		require.Contains(t, x.get(200, "/v1/diff/a?to_valid=2021-01-01&"+from), `"entered":1,`, from)
	}
	require.Contains(t, x.get(200, "/v1/diff/a?from=now&from_valid=2021-01-01&to_valid=2022-01-01"), `"entered":0,`)
	x.get(400, "/v1/diff/a?to=0")
}

// TestFront leads browsers to the inspector.
func TestFront(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	x.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	head, _ := x.send(302, "GET", "/", "", "Accept", "text/html,*/*")
	require.Equal(t, "ui/", head.Get("Location"))
	x.send(404, "GET", "/", "")
	none := newSite(t, memory.New(memory.Options{}), web.Options{NoUI: true}, &server.Options{})
	none.send(404, "GET", "/", "", "Accept", "text/html")
}
