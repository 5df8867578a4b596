// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/server/web"
)

// failing returns a log whose loops end with an error after the log's facts.
func failing(l backend.Log, end error) backend.Log {
	return backend.Intercept(l, backend.Hooks{Read: func(ctx context.Context, r backend.Range, _ func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		return func(yield func(backend.Page, error) bool) {
			for page, err := range l.Replay(ctx, r) {
				if !yield(page, err) {
					return
				}
			}
			yield(backend.Page{}, end)
		}
	}})
}

// TestCutOff: the client sees a failure in the middle of an answer.
func TestCutOff(t *testing.T) {
	x := newSite(t, failing(memory.New(memory.Options{}), errors.New("the disk is gone")), web.Options{}, &server.Options{})
	for i := range 200 { // more than the buffer of an answer
		_, err := x.log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "s", Key: "k", Value: []byte(`"` + strings.Repeat("x", 1000) + `"`)})
		require.NoError(t, err)
	}
	answer := x.ask(t.Context(), "/v1/facts")
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	_, err := io.Copy(io.Discard, answer.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// TestDamage reads a log with every kind of damage: the answer looks incomplete, and the server counts and logs the damage.
func TestDamage(t *testing.T) {
	core, logs := observer.New(zap.ErrorLevel)
	x := newSite(t, failing(memory.New(memory.Options{}), &backend.CorruptError{Path: "log", Reason: "wrong CRC"}), web.Options{}, &server.Options{Logger: zap.New(core)})
	x.get(500, "/v1/facts?after=0")
	big := backend.Fact{ID: "big", Store: "a", Key: "k", Value: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)} // more than an answer waits for
	_, err := x.log.WriteFact(t.Context(), big)
	require.NoError(t, err)
	answer := x.ask(t.Context(), "/v1/facts?after=0")
	_, err = io.ReadAll(answer.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, uint64(2), x.server.Metrics().Errors["corrupt"])

	answer = x.ask(t.Context(), "/v1/events?after=0")
	events, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Contains(t, string(events), `"error_code":"corrupt"`)
	require.Equal(t, uint64(3), x.server.Metrics().Errors["corrupt"])

	require.Contains(t, x.get(500, "/v1/stores/a/k"), `"error_code":"corrupt"`)
	require.Equal(t, uint64(4), x.server.Metrics().Errors["corrupt"])
	require.Len(t, logs.FilterMessage("the log is damaged").All(), 1)
	require.Contains(t, x.server.Metrics().LastError, "wrong CRC")
	x.get(404, "/v1/nothing")
	for code, n := range x.server.Metrics().Errors {
		require.Equal(t, code == "corrupt", n > 0, "only what the log did is counted: %s", code)
	}
}

// TestWithheld: a client that may not read all stores gets no details about the log's files in errors.
func TestWithheld(t *testing.T) {
	tokens, shown := tokensOf(t, func(e *auth.TokenEntry) { e.Read = []string{"a"} }, func(e *auth.TokenEntry) { e.Read = []string{"*"} })
	for _, failure := range []error{&backend.CorruptError{Path: "/secret/log", Reason: "wrong CRC"}, errors.New("read /secret/log")} {
		x := newSite(t, failing(memory.New(memory.Options{}), failure), web.Options{}, &server.Options{Tokens: tokens})
		x.write("a", "k", "1")
		for i, may := range []bool{false, true} {
			require.Equal(t, may, strings.Contains(x.get(500, "/v1/stores/a/k", "Authorization", shown[i]), "secret"))
			answer := x.ask(t.Context(), "/v1/events?after=0", "Authorization", shown[i])
			text, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Contains(t, string(text), "event: igniter-error")
			require.Equal(t, may, strings.Contains(string(text), "secret"))
		}
	}
}

// TestWrittenWhileRead: an answer ends with its Igniter-Seq, so that a client that continues there gets each fact once.
func TestWrittenWhileRead(t *testing.T) {
	log, n := memory.New(memory.Options{}), 0
	x := newSite(t, backend.Intercept(log, backend.Hooks{Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		n++
		_, err := log.WriteFact(ctx, backend.Fact{ID: fmt.Sprint("n", n), Store: "a", Key: "k", Value: []byte("1")})
		require.NoError(t, err)
		return next(ctx, r)
	}}), web.Options{}, &server.Options{})
	for _, path := range []string{"/v1/facts", "/v1/facts?after=0", "/v1/facts?through=100", "/v1/facts?since=1h", "/v1/facts?reverse=1", "/v1/facts?reverse=1&changes=1"} {
		answer := x.ask(t.Context(), path)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, answer.Header.Get("Igniter-Seq"), strconv.Itoa(bytes.Count(text, []byte("\n"))), path)
		x.write("a", path[len("/v1/facts"):], "1")
	}
}

// TestPrunedWhileRead: an answer that is read in windows reports that facts were pruned meanwhile.
func TestPrunedWhileRead(t *testing.T) {
	log, ahead := memory.New(memory.Options{}), func() {}
	x := newSite(t, backend.Intercept(log, backend.Hooks{Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		ahead()
		return next(ctx, r)
	}}), web.Options{}, &server.Options{})
	for i := range 5 {
		x.write("a", "k", fmt.Sprint(i))
		x.write("b", "k", fmt.Sprint(i))
	}
	for i, path := range []string{"/v1/facts?reverse=1&store=a", "/v1/facts?since=1h&store=a", "/v1/facts?reverse=1&changes=1"} {
		ahead = func() {
			ahead = func() {}
			_, err := log.Prune(t.Context(), slices.Values([]uint64{uint64(1 + 2*i)}), backend.Horizon{Seq: uint64(3 + 2*i)})
			require.NoError(t, err)
		}
		require.Contains(t, x.get(410, path), `"error_code":"compacted"`)
		x.get(200, path)
		x.get(200, path+"&after=9")
	}
	ahead = func() {
		ahead = func() {}
		_, err := log.Prune(t.Context(), slices.Values([]uint64{2}), backend.Horizon{Seq: 4})
		require.NoError(t, err)
	}
	x.get(200, "/v1/facts?reverse=1&store=a")
	for _, path := range []string{"/v1/facts?reverse=1&before=", "/v1/history/b/k?before="} {
		x.get(200, path+"11")
		require.Contains(t, x.get(409, path+"12"), `"error_code":"diverged"`, "a page of a log that was longer")
	}
}

// TestPrunedAheadOfAStream prunes facts after an answer has begun and before they are read: the answer ends with an error.
func TestPrunedAheadOfAStream(t *testing.T) {
	large := `"` + strings.Repeat("x", backend.PageSize) + `"`
	log := memory.New(memory.Options{})
	prune := func(seqs ...uint64) {
		_, err := log.Prune(t.Context(), slices.Values(seqs), backend.Horizon{})
		require.NoError(t, err)
	}
	var ahead func() // called after the first page of a loop was read
	x := newSite(t, backend.Intercept(log, backend.Hooks{Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
		return func(yield func(backend.Page, error) bool) {
			first := true
			for p, err := range next(ctx, r) {
				if !yield(p, err) {
					return
				}
				if first && err == nil {
					first = false
					ahead()
				}
			}
		}
	}}), web.Options{Heartbeat: time.Hour}, &server.Options{})
	for i := range 3 {
		x.write("a", fmt.Sprint(i), "1")
	}
	ahead = func() {
		x.write("a", "k", "4")
		x.write("a", "k", "5")
		prune(4)
	}
	events := x.events("?after=3")
	lines := events.next()
	require.Equal(t, "event: igniter-error", lines[0])
	require.Contains(t, lines[1], `"error_code":"compacted"`)
	require.Nil(t, events.next())

	for i := range 9 {
		_, err := log.WriteFact(t.Context(), backend.Fact{ID: fmt.Sprint(i), Store: "a", Key: "large", Value: []byte(large)})
		require.NoError(t, err)
	}
	ahead = func() { prune(9, 10, 11, 12, 13) }
	answer := x.ask(t.Context(), "/v1/facts?after=5")
	_, err := io.ReadAll(answer.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, answer.Body.Close())
	answer = x.ask(t.Context(), "/v1/facts")
	_, err = io.ReadAll(answer.Body)
	require.NoError(t, err, "it takes what is left")
	require.NoError(t, answer.Body.Close())
}
