// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store/reader"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A site is the HTTP side of a server, served.
type site struct {
	*testing.T
	url    string
	log    backend.Log
	server *server.Server
	web    *web.Handler
	reader *reader.Reader
	client *http.Client
}

// newSite serves a log. Without a server it is a site whose log is being opened.
func newSite(t *testing.T, log backend.Log, opts web.Options, options *server.Options) *site {
	x := &site{T: t, log: log, web: web.New(opts)}
	x.web.Handle("/inside", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") }))
	if options != nil {
		x.server = server.New(log, *options)
		x.reader = reader.New(log, reader.Options{})
		x.web.Attach(x.server, log, x.reader)
	}
	http1 := httptest.NewUnstartedServer(nil)
	http1.Config = web.NewServer(x.web, nil, 0)
	http1.Start()
	x.url, x.client = http1.URL, http1.Client()
	t.Cleanup(func() {
		if x.server != nil {
			require.NoError(t, x.server.Close())
		}
		http1.Close()
		if x.reader != nil {
			require.NoError(t, x.reader.Close())
		}
		require.NoError(t, log.Close())
	})
	return x
}

func (x *site) write(store, key, value string) backend.Fact {
	x.Helper()
	f, err := x.log.WriteFact(x.Context(), backend.Fact{ID: fmt.Sprint(store, key, value), Store: store, Key: key, Value: []byte(value)})
	require.NoError(x, err)
	return f
}

func (x *site) ask(ctx context.Context, path string, headers ...string) *http.Response {
	x.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, x.url+path, nil)
	require.NoError(x, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := x.client.Do(r)
	require.NoError(x, err)
	return answer
}

func (x *site) get(status int, path string, headers ...string) string {
	x.Helper()
	answer := x.ask(x.Context(), path, headers...)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(x, err)
	require.Equal(x, status, answer.StatusCode, "%s: %s", path, body)
	require.Equal(x, "nosniff", answer.Header.Get("X-Content-Type-Options"))
	require.Contains(x, []string{"no-store", "private, no-cache"}, answer.Header.Get("Cache-Control"))
	require.Contains(x, answer.Header.Get("Content-Security-Policy"), "default-src 'none'")
	return string(body)
}

// An eventReader reads server-sent events.
type eventReader struct {
	*site
	lines *bufio.Scanner
	end   context.CancelFunc
	began []string // the first lines
}

func (x *site) events(query string, headers ...string) *eventReader {
	x.Helper()
	ctx, cancel := context.WithCancel(x.Context())
	answer := x.ask(ctx, "/v1/events"+query, headers...)
	require.Equal(x, http.StatusOK, answer.StatusCode)
	require.Equal(x, "text/event-stream", answer.Header.Get("Content-Type"))
	r := &eventReader{site: x, lines: bufio.NewScanner(answer.Body), end: func() { cancel(); _ = answer.Body.Close() }}
	x.Cleanup(r.end)
	r.began = r.next()
	require.Len(x, r.began, 2)
	require.Equal(x, "retry: 1000", r.began[0])
	r.began = r.began[1:]
	require.Regexp(x, `^id: \d+@[0-9a-f-]{36}$`, r.began[0], "a client that gets nothing else knows where to go on")
	return r
}

// next returns the lines of the next event; nil: the stream has ended.
func (r *eventReader) next() (lines []string) {
	for r.lines.Scan() {
		if r.lines.Text() == "" {
			return lines
		}
		lines = append(lines, r.lines.Text())
	}
	return nil
}

// fact returns the next event, which must be a fact's.
func (r *eventReader) fact() (seq uint64, value string) {
	r.Helper()
	for {
		lines := r.next()
		if len(lines) == 1 && strings.HasPrefix(lines[0], "id: ") {
			continue // a heartbeat
		}
		require.Len(r, lines, 3, "%q", lines)
		require.Equal(r, "event: fact", lines[1])
		var f struct {
			Seq   uint64
			Value json.RawMessage
		}
		require.NoError(r, json.Unmarshal([]byte(strings.TrimPrefix(lines[2], "data: ")), &f))
		require.Regexp(r, fmt.Sprintf("^id: %d@[0-9a-f-]{36}$", f.Seq), lines[0])
		return f.Seq, string(f.Value)
	}
}

func TestHealth(t *testing.T) {
	loading := newSite(t, memory.New(memory.Options{}), web.Options{Progress: func() web.Progress { return web.Progress{Done: 3, Total: 7} }}, nil)
	require.JSONEq(t, `{"status":"ok"}`, loading.get(200, "/healthz"))
	require.JSONEq(t, `{"status":"loading","progress":{"done":3,"total":7}}`, loading.get(503, "/readyz"))
	require.Contains(t, loading.get(503, "/v1/facts"), `"error_code":"unavailable"`)
	require.Contains(t, loading.get(503, "/v1/status"), "being opened")

	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	require.JSONEq(t, `{"status":"ready"}`, x.get(200, "/readyz"))
	require.NoError(t, x.server.Close())
	require.JSONEq(t, `{"status":"stopped","connections":0}`, x.get(503, "/readyz"))
	require.JSONEq(t, `{"status":"ok"}`, x.get(200, "/healthz"))

	closed := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	require.NoError(t, closed.log.Close())
	require.Contains(t, closed.get(503, "/readyz"), "closed")

}

func TestFacts(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	require.Empty(t, x.get(200, "/v1/facts"))
	x.write("a", "k", "1")
	x.write("b", "k", "{\"n\":\n\r 2.50}")
	x.write("a", "k", "3")
	lines := strings.Split(strings.TrimSpace(x.get(200, "/v1/facts")), "\n")
	require.Len(t, lines, 3)
	require.Contains(t, lines[1], `"value":{"n":2.50}`)
	require.Contains(t, lines[0], `{"seq":1,"id":"ak1","store":"a"`)
	require.Equal(t, lines[2]+"\n", x.get(200, "/v1/facts?after=1&store=a"))
	require.Equal(t, lines[1]+"\n"+lines[2]+"\n", x.get(200, "/v1/facts?after=1&store=a&store=b"))
	require.Contains(t, x.get(400, "/v1/facts?after=x"), `"x\" is neither a seq`)
	require.Empty(t, x.get(200, "/v1/facts?after=3"))
	for _, path := range []string{"/v1/facts?after=4", "/v1/events?after=4"} {
		require.Contains(t, x.get(409, path), `"error_code":"diverged"`, "nothing can be there that the client has read")
	}
	stats, err := x.log.Stats(t.Context())
	require.NoError(t, err)
	good, other := backend.Cursor{Log: stats.Log, Seq: 2}.String(), backend.Cursor{Log: backend.NewLogID(), Seq: 2}.String()
	require.Equal(t, 1, strings.Count(x.get(200, "/v1/facts?after="+good), "\n"))
	for _, path := range []string{"/v1/facts?after=", "/v1/events?after="} {
		require.Regexp(t, `"error_code":"diverged","error":".+","cursor":"`+other+`","log":"`+stats.Log.String()+`","common":0`, x.get(409, path+other))
	}

	status := x.get(200, "/v1/status")
	var keys map[string]any
	require.NoError(t, json.Unmarshal([]byte(status), &keys))
	require.Equal(t, []string{"accepted", "bytes_in", "bytes_out", "closed", "connections", "cut_off", "errors", "facts_in", "facts_out", "lag", "latency", "log", "pushed", "read_only", "refused",
		"rejected", "requests", "slow", "started_at", "status", "stores", "streams", "subscribers", "subscriptions", "uptime_ms", "writable"}, slices.Sorted(maps.Keys(keys)))
	require.Contains(t, status, `"log":{"first_seq":1,"last_seq":3,"durable_seq":0,"facts":3`)
	require.Contains(t, status, `"status":"ready"`)
}

// TestCompacted: clients learn that facts after their cursor are gone, and can go on.
func TestCompacted(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, &server.Options{})
	for i := range 6 {
		x.write([]string{"a", "b"}[i%2], "k", fmt.Sprint(i))
	}
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	_, err := x.log.Prune(t.Context(), slices.Values([]uint64{1, 3}), backend.Horizon{Seq: 3, Time: moment})
	require.NoError(t, err)
	for _, path := range []string{"/v1/facts?after=1", "/v1/facts?after=2&store=a&store=c", "/v1/events?after=1", "/v1/events?after=2&store=a"} {
		require.Contains(t, x.get(410, path), `"store":"a","horizon":{"seq":3,"time":"2026-01-02T03:04:05.000000006Z"}`, path)
	}
	require.Contains(t, x.get(410, "/v1/events", "Last-Event-ID", "2"), `"error_code":"compacted"`)
	for path, facts := range map[string]int{"/v1/facts": 4, "/v1/facts?after=0": 4, "/v1/facts?after=1&store=b": 3, "/v1/facts?after=3": 3, "/v1/facts?after=3&store=a": 1} {
		require.Equal(t, facts, strings.Count(x.get(200, path), "\n"), path)
	}
	for query, first := range map[string]uint64{"?after=0": 2, "?after=1&store=b": 2, "?after=3": 4} {
		events := x.events(query)
		if query == "?after=0" { // a client that begins at the log's beginning is told that something is gone
			said := events.next()
			require.Len(t, said, 2)
			require.Equal(t, "event: compacted", said[0])
			require.Contains(t, said[1], `"store":"a","horizon":{"seq":3,`)
		}
		seq, _ := events.fact()
		require.Equal(t, first, seq, query)
	}

	for query, horizon := range map[string]string{"": "3", "?after=0": "3", "?store=b": "", "?after=3": ""} {
		answer := x.ask(t.Context(), "/v1/facts"+query)
		require.Equal(t, horizon, answer.Header.Get("Igniter-Horizon"), query)
		require.NoError(t, answer.Body.Close())
	}
}

func TestEvents(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{Heartbeat: time.Millisecond, MaxStreams: 3}, &server.Options{})
	x.write("a", "k", "1")
	x.write("b", "k", "\"\\n\"")
	now, all := x.events(""), x.events("?after=0")
	resumed := x.events("?after=0&store=a&store=c", "Last-Event-ID", "1")
	seq, value := all.fact()
	require.EqualValues(t, 1, seq)
	require.Equal(t, "1", value)
	seq, value = all.fact()
	require.EqualValues(t, 2, seq)
	require.Equal(t, `"\n"`, value)

	// The heartbeat has the cursor to which the log was read, although no fact there was for this client.
	for got := ""; !strings.HasPrefix(got, "id: 2@"); {
		lines := resumed.next()
		require.Len(t, lines, 1)
		got = lines[0]
	}
	require.Equal(t, 3, x.web.Streams())
	require.Contains(t, x.get(503, "/v1/events"), "3 streams already")
	require.Contains(t, x.get(503, "/v1/facts"), "3 streams already")
	source := x.get(200, "/v1/events", "Accept", "text/event-stream")
	require.Regexp(t, "^retry: 3000\n\nevent: igniter-error\ndata: .*3 streams already", source, "an EventSource tries again only after 200")

	x.write("a", "k", "3")
	for _, r := range []*eventReader{now, all, resumed} {
		seq, value = r.fact()
		require.EqualValues(t, 3, seq)
		require.Equal(t, "3", value)
	}
	all.end()
	require.NoError(t, x.server.Close())
	for {
		lines := now.next()
		require.NotNil(t, lines, "a client is told that the server ends")
		if lines[0] == "event: igniter-error" {
			require.Contains(t, lines[1], `"error_code":"unavailable"`)
			break
		}
	}
	require.Nil(t, now.next())
	x.get(400, "/v1/events?after=-1")
}

func TestValue(t *testing.T) {
	log := memory.New(memory.Options{})
	x := newSite(t, log, web.Options{}, &server.Options{})
	x.get(404, "/v1/stores/a/k")
	x.write("a", "k", "1")
	require.Contains(t, x.get(200, "/v1/stores/a/k"), `"value":1,"time"`)
	x.write("a", "k", "2")
	_, err := log.WriteFact(t.Context(), backend.Fact{ID: "v", Store: "a", Key: "k", Value: []byte("3"),
		ValidTime: time.Unix(1000, 0), TransactionTime: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	x.write("a b", "x/y z", "4")
	x.write("a", "gone", "5")
	x.write("a", "gone", "null")
	require.Contains(t, x.get(200, "/v1/stores/a/k"), `"value":3,"time"`, "what was written is read at once")
	require.Contains(t, x.get(200, "/v1/stores/a/k?at_seq=1"), `"value":1,"time"`)
	require.Contains(t, x.get(200, "/v1/stores/a/k?as_of="+time.Now().Add(time.Minute).UTC().Format(time.RFC3339)), `"value":2,"time"`)
	require.Contains(t, x.get(200, "/v1/stores/a/k?as_of=now"), `"value":3,"time"`, "the log's time is ahead of the clock")
	require.Contains(t, x.get(200, "/v1/stores/a/k?as_of=now&valid_at=now"), `"value":2,"time"`)
	require.Contains(t, x.get(200, "/v1/moment?at=now"), `"at":{"seq":6,`)
	require.Contains(t, x.get(200, "/v1/facts?until=now&reverse=1&limit=1"), `"seq":6,`)
	require.Contains(t, x.get(200, "/v1/diff/a?from=now&to=now"), `"entered":0,"changed":0,"left":0,`)
	require.Contains(t, x.get(200, "/v1/diff/a?from=now&from_valid=1000.5&to=now&to_valid=now"), `"keys":[{"key":"k","kind":"changed"`)
	require.Contains(t, x.get(200, "/v1/stores/a/k?valid_at=1000.5"), `"value":3,"time"`)
	require.Contains(t, x.get(404, "/v1/stores/a/k?valid_at=1970-01-01"), `"error_code":"never_written"`)
	require.Contains(t, x.get(200, "/v1/stores/a%20b/x/y%20z"), `"value":4,"time"`)
	require.Contains(t, x.get(200, "/v1/stores/a%20b/x%2Fy%20z"), `"value":4,"time"`)
	x.get(404, "/v1/stores/a/gone")
	for _, bad := range []string{"at_seq=0", "at_seq=x", "as_of=then", "valid_at=then"} {
		require.Contains(t, x.get(400, "/v1/stores/a/k?"+bad), `"error_code":"invalid_request"`)
	}

	x.web.Attach(x.server, log, nil)
	require.Contains(t, x.get(404, "/v1/stores/a/k"), "there is nothing at")
}

// sick is a log whose Stats a test chooses.
type sick struct {
	backend.Log
	stats backend.Stats
}

func (l *sick) Stats(context.Context) (backend.Stats, error) { return l.stats, nil }

// TestReadiness: a log that takes no more writes is not ready; a log that is ahead of the clock is ready, with a warning.
func TestReadiness(t *testing.T) {
	log := &sick{Log: memory.New(memory.Options{})}
	x := newSite(t, log, web.Options{}, &server.Options{})
	require.JSONEq(t, `{"status":"ready"}`, x.get(200, "/readyz"))
	log.stats.LastTime = time.Now().Add(time.Hour)
	require.Regexp(t, `^{"status":"ready","warnings":\["clock_behind: .*"\]}`, x.get(200, "/readyz"))
	log.stats.LastTime = time.Now().Add(-time.Hour)
	require.JSONEq(t, `{"status":"ready"}`, x.get(200, "/readyz"), "the clock has caught up")
	log.stats.Failed = "sync: input/output error"
	require.JSONEq(t, `{"status":"failed","error":"sync: input/output error"}`, x.get(503, "/readyz"))

	tokens, _ := tokensOf(t, func(*auth.TokenEntry) {})
	x = newSite(t, &sick{Log: memory.New(memory.Options{}), stats: backend.Stats{Failed: "sync /secret: input/output error"}}, web.Options{}, &server.Options{Tokens: tokens})
	require.Contains(t, x.get(503, "/readyz"), `"error":"the log takes no more writes; its operator knows why"`, "strangers may ask")
}
