// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/query"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/server/web"
)

// TestWrite: values are written, deleted, and written on the condition that they have not changed since the client's read.
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
	x.send(400, "PUT", "/v1/stores/tasks/k?id=", "1")
	x.send(400, "PUT", "/v1/stores/tasks/k?valid_at=", "1")
	for _, wrong := range [][]string{{"If-Match", "nothing"}, {"If-Match", ""}, {"If-None-Match", ""}, {"If-None-Match", `"x"`}, {"If-Match", `"x", "y"`}, {"If-Match", `""`}} {
		x.send(400, "PUT", "/v1/stores/tasks/k", "1", wrong...)
		x.send(400, "DELETE", "/v1/stores/tasks/k", "", wrong...)
	}
	x.send(400, "POST", "/v1/facts", `{"id":"i","store":"tasks","key":"k","value":1}`, "If-Match", "", "Content-Type", "application/json")
	require.Contains(t, x.get(404, "/v1/stores/tasks/k"), "never_written")

	// A receipt says nothing about the value, and is no deletion when it is written elsewhere.
	_, text = x.send(201, "POST", "/v1/facts", `{"id":",\"value\":null","store":"tasks","key":",\"value\":null","value":1}`, "Content-Type", "application/json")
	var written struct{ Facts []json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(text), &written))
	var receipt map[string]any
	require.NoError(t, json.Unmarshal(written.Facts[0], &receipt))
	require.NotContains(t, receipt, "value")
	require.Equal(t, `,"value":null`, receipt["key"])
	_, text = x.send(422, "POST", "/v1/facts", string(written.Facts[0]), "Content-Type", "application/json")
	require.Contains(t, text, "missing; null deletes the key")
	x.send(400, "DELETE", "/v1/stores/tasks/k", "1")
	for _, name := range []string{"If-Unmodified-Since", "Content-Range", "Content-Encoding"} {
		x.send(400, "PUT", "/v1/stores/tasks/k", "1", name, "gzip")
		x.send(400, "POST", "/v1/facts", `{"id":"i","store":"tasks","key":"k","value":1}`, name, "gzip", "Content-Type", "application/json")
	}
	x.send(400, "POST", "/v1/facts", `{"id":"i","store":"tasks","key":"k","value":1}`, "If-None-Match", "*", "Content-Type", "application/json")
	x.get(404, "/v1/stores/tasks/k")
}

// TestBodies: one client's unfinished bodies leave room for the bodies of others.
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

// TestTwins: if two stores have the same ID, the ID alone does not identify a fact.
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

// TestStuckWrites: a client that begins writes without sending their bodies can't have more of them than its share.
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

// TestWriteAll: a body of facts is written as a whole or not at all, and may be written again.
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

// TestNarrowTokens: a token writes and reads its own stores, and learns nothing about others.
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

// TestStamp: a server that stamps facts also stamps facts that come over HTTP.
func TestStamp(t *testing.T) {
	tokens, shown := tokensOf(t, func(e *auth.TokenEntry) { e.Read, e.Write = []string{"*"}, []string{"*"} })
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{Tokens: tokens, StampProducer: true})
	_, text := x.send(201, "PUT", "/v1/stores/a/k", "1", "Authorization", shown[0])
	require.Contains(t, text, `"by":"t0"`)
	x.send(403, "POST", "/v1/facts", `{"id":"i","store":"a","key":"k","value":1,"by":"boss"}`, "Authorization", shown[0], "Content-Type", "application/x-ndjson")
	require.Contains(t, x.get(200, "/v1/history/a/k", "Authorization", shown[0]), `"by":"t0"`)
}
