// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

// TestKnownFactsAreNotSent: held facts cost no more memory, and no larger answers, than the client sends, even if the log
// holds a larger producer and derivation.
func TestKnownFactsAreNotSent(t *testing.T) {
	file := newTokenFile(t, entry("writer", nil, []string{"tasks"}, false), admin)
	for _, token := range []string{"writer", "admin"} {
		s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens})
		big := `"` + strings.Repeat("v", 1<<20) + `"`
		p := s.dial()
		p.hello(token)
		const same = `{"id":"big","store":"tasks","key":"k","value":null`
		p.requireOK(`{"op":"write_fact","fact":%s,"derivation":%s}}`, same, big)
		one := `{"op":"write_fact","fact":` + same + `}}`
		for _, request := range []string{one, `{"op":"write_batch","facts":[` + strings.Repeat(same+"},", 999) + same + "}]}"} {
			p.requireCode("too_large", "%s", request)
		}
		require.Less(t, allocated(func() {
			p.requireCode("too_large", `{"op":"write_batch","facts":[%s}]}`, strings.Repeat(same+"},", 999)+same)
		}), uint64(16<<20))
		require.Less(t, len(p.ask(`{"op":"write_fact","fact":%s,"derivation":%s}}`, same, big)), 1<<10, "what the client has is not sent")

		p.requireOK(`{"op":"write_fact","fact":{"id":"v","store":"tasks","key":"k","value":%s}}`, big)
		answer := p.ask(`{"op":"write_fact","fact":{"id":"v","store":"tasks","key":"k","value":%s,"producer":"another"}}`, big)
		require.Less(t, len(answer), 1<<10)
		require.True(t, answerOf(t, answer).Duplicate)
	}
}

// TestWriterLearnsNothing: a client that may write a store but not read it gets only data that it wrote.
func TestWriterLearnsNothing(t *testing.T) {
	file := newTokenFile(t, entry("writer", []string{"other"}, []string{"tasks"}, false), admin)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens})
	s.write(backend.Fact{ID: "first", Store: "tasks", Key: "k", Value: []byte(`{ "secret" : 1 }`), Producer: []byte(`"ana"`), Derivation: []byte(`{"rule":"r"}`), ValidTime: time.Unix(7, 0)},
		backend.Fact{ID: "imported", Store: "tasks", Key: "k", Value: []byte(`"secret"`), ValueHash: "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"}) // of null
	p := s.dial()
	p.hello("writer")
	for _, request := range []string{
		`{"op":"write_fact","fact":{"id":"first","store":"tasks","key":"k","value":{"secret":1}}}`,
		`{"op":"write_batch","facts":[{"id":"first","store":"tasks","key":"k","value":{"secret":1}}]}`,
		`{"op":"write_batch","facts":[],"expect":[{"store":"tasks","key":"k","id":"guess"}]}`,
		`{"op":"write_batch","facts":[{"id":"x","store":"tasks","key":"k","value":2}],"expect":[{"store":"tasks","key":"k","id":""}]}`,
		`{"op":"write_fact","fact":{"id":"imported","store":"tasks","key":"k","value":null}}`,
		`{"op":"write_fact","fact":{"id":"first","store":"tasks","key":"mine","value":1}}`,
	} {
		answer := p.ask("%s", request)
		for _, word := range []string{"ana", "rule", `"secret"`, "valid_time", "imported", "latest\":\"f"} {
			require.NotContains(t, answer, word, "%s", request)
		}
	}
	p.requireCode("conflict", `{"op":"write_batch","facts":[],"expect":[{"store":"tasks","key":"k","id":"guess"}]}`)
	require.True(t, p.requireOK(`{"op":"write_fact","fact":{"id":"first","store":"tasks","key":"k","value":{"secret":1}}}`).Duplicate)
	p.requireCode("id_reused", `{"op":"write_fact","fact":{"id":"imported","store":"tasks","key":"k","value":null}}`)
	reader := s.with(admin)
	require.Contains(t, reader.ask(`{"op":"write_fact","fact":{"id":"first","store":"tasks","key":"k","value":{"secret":1}}}`), `"producer":"ana"`)
	require.Equal(t, "imported", reader.requireCode("conflict", `{"op":"write_batch","facts":[],"expect":[{"store":"tasks","key":"k","id":"guess"}]}`).Latest)
}

// TestNarrowStats: a client that may not read all stores does not learn the size of the others.
func TestNarrowStats(t *testing.T) {
	file := newTokenFile(t, tasks, reader)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens})
	s.write(fact("secret", "a"), fact("tasks", "b"))
	for e, want := range map[string]string{"tasks": `"facts":0,"bytes":0,`, "reader": `"facts":2,`} {
		p := s.dial()
		p.hello(e)
		answer := p.ask(`{"op":"stats"}`)
		require.Contains(t, answer, want)
		require.Contains(t, answer, `"last_seq":2`)
	}
	read := func(e auth.TokenEntry) backend.Stats {
		p := s.dial()
		p.hello(e.Name)
		stats, err := protocol.ParseStats([]byte(p.ask(`{"op":"stats"}`)))
		require.NoError(t, err)
		return stats
	}
	all := read(reader)
	require.EqualValues(t, 1, all.FirstSeq)
	begun := time.Now()
	narrow := read(tasks)
	require.False(t, narrow.LastTime.Before(begun), "it does not say when others wrote")
	narrow.LastTime = time.Time{}
	require.Equal(t, backend.Stats{LastSeq: 2, DurableSeq: all.DurableSeq, Log: all.Log}, narrow)

	ahead, err := s.log.WriteFact(t.Context(), backend.Fact{ID: "ahead", Store: "secret", Key: "k", Value: []byte("1"), TransactionTime: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, ahead.TransactionTime, read(tasks).LastTime, "facts of the client will be dated after it")
}

// TestWithheld: only a client that may see information about all stores gets details about the log's files in errors.
func TestWithheld(t *testing.T) {
	file := newTokenFile(t, tasks, reader)
	for code, failure := range map[string]error{
		"corrupt": &backend.CorruptError{Path: "/secret/log", Reason: "wrong CRC"}, "storage_failed": fmt.Errorf("sync /secret/log: %w", backend.ErrFailed),
		"storage_full": fmt.Errorf("write /secret/log: %w", backend.ErrFull), "internal_error": errors.New("open /secret/log"),
		"unavailable": &os.PathError{Op: "open", Path: "/secret/log", Err: syscall.EMFILE},
	} {
		core, logs := observer.New(zap.ErrorLevel)
		log := backend.Intercept(memory.New(memory.Options{}), backend.Hooks{Read: func(context.Context, backend.Range, func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			return func(yield func(backend.Page, error) bool) { yield(backend.Page{}, failure) }
		}})
		s := serve(t, "tcp", log, server.Options{Tokens: file.Tokens, Logger: zap.New(core)})
		for e, may := range map[string]bool{"tasks": false, "reader": true} {
			p := s.dial()
			p.hello(e)
			answer := p.ask(`{"op":"replay"}`)
			require.Contains(t, answer, fmt.Sprintf(`"error_code":%q`, code))
			require.Equal(t, may, strings.Contains(answer, "secret"), answer)
		}
		require.Len(t, logs.All(), 1)
		require.Contains(t, fmt.Sprint(logs.All()[0].ContextMap()), "secret")
	}
}

// TestNoDescriptors: if the process has no file descriptor left, requests fail with unavailable, and the server logs the
// reason.
func TestNoDescriptors(t *testing.T) {
	core, logs := observer.New(zap.ErrorLevel)
	log := backend.Intercept(memory.New(memory.Options{}), backend.Hooks{Write: func(_ context.Context, batches []backend.Batch, _ func(context.Context, ...backend.Batch) []backend.Written) []backend.Written {
		return backend.Refused(len(batches), &os.PathError{Op: "open", Path: "x", Err: syscall.EMFILE})
	}})
	s := serve(t, "tcp", log, server.Options{Logger: zap.New(core)})
	s.dial2().requireCode("unavailable", "%s", writeJSON("tasks", "a"))
	require.Equal(t, 1, logs.FilterMessageSnippet("no file descriptors left").Len())
}

// TestListsAreBounded: a list costs little before the client's right to it is known, and its length is limited.
func TestListsAreBounded(t *testing.T) {
	file := newTokenFile(t, reader, tasks, admin)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens})
	many := func(element string) string { return strings.Repeat(element+",", 2<<20/(len(element)+1)) + element }
	for _, x := range []struct {
		token         auth.TokenEntry
		code, request string
	}{
		{reader, "forbidden", `{"op":"write_batch","facts":[],"expect":[` + many(`{"store":"z","key":"k1","id":"x"}`) + `]}`},
		{reader, "forbidden", `{"op":"write_batch","facts":[` + many(`{}`) + `]}`},
		{tasks, "forbidden", `{"op":"write_batch","facts":[],"expect":[` + many(`{"store":"z","key":"k1","id":"x"}`) + `]}`},
		{tasks, "forbidden", `{"op":"write_batch","facts":[],"expect":[` + many(`{}`) + `]}`},
		{tasks, "forbidden", `{"op":"prune","seqs":[` + many(`[]`) + `]}`},
		{admin, "invalid_request", `{"op":"prune","seqs":[` + many(`[]`) + `]}`},
		{admin, "too_large", `{"op":"prune","seqs":[` + many(`[1,1]`) + `]}`},
		{admin, "too_large", `{"op":"write_batch","facts":[],"expect":[{"store":"z"}` + strings.Repeat(`,{"store":"z"}`, 100_000) + `]}`},
	} {
		p := s.with(x.token)
		var a answer
		n := allocated(func() { a = p.call("%s", x.request) })
		require.Equal(t, x.code, a.Code, "%.100s: %s", x.request, a.Error)
		require.Less(t, n, uint64(40<<20), "%.100s", x.request)
		p.requireAlive()
	}
	small := serve(t, "tcp", memory.New(memory.Options{}), server.Options{MaxMemoryConnection: 4 << 20}).dial2()
	facts := make([]string, 5000)
	for i := range facts {
		facts[i] = fmt.Sprintf(`{"id":"%d","store":"s","key":"","value":1}`, i)
	}
	small.requireCode("too_large", `{"op":"write_batch","facts":[%s]}`, strings.Join(facts, ",")) // takes 5 MiB
	small.requireOK(`{"op":"write_batch","facts":[%s]}`, strings.Join(facts[:2000], ","))

	p := s.with(admin)
	p.requireOK(`{"op":"prune","seqs":[%s]}`, strings.Repeat(`[2,800000],`, 50_000)+`[2,18446744073709551615]`)
	p.requireOK(`{"op":"write_batch","facts":[],"expect":[%s]}`, strings.Repeat(`{"store":"z","key":"k","id":""},`, 50_000)+`{"store":"z","key":"k","id":""}`)
	p.requireOK(`{"op":"replay","stores":[%s]}`, many(`"tasks"`)) // the same name many times counts once
	p.toEnd()
	names := make([]string, 5000)
	for i := range names {
		names[i] = fmt.Sprintf("%q", fmt.Sprint("store ", i))
	}
	p.requireCode("too_large", `{"op":"replay","stores":[%s]}`, strings.Join(names, ","))
	s.dial().requireCode("unauthenticated", `{"op":"stats"}`)
}
