// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/protocol"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
)

// A tokenFile is a file of tokens, each of which is the name of its entry.
type tokenFile struct {
	t    testing.TB
	path string
	*auth.Tokens
}

func entry(name string, read, write []string, admin bool) auth.TokenEntry {
	sum := sha256.Sum256([]byte(name))
	return auth.TokenEntry{Name: name, SHA256: hex.EncodeToString(sum[:]), Read: read, Write: write, Admin: admin}
}

func newTokenFile(t testing.TB, entries ...auth.TokenEntry) *tokenFile {
	f := &tokenFile{t: t, path: filepath.Join(t.TempDir(), "tokens.json")}
	f.put(entries...)
	var err error
	f.Tokens, err = auth.LoadTokens(f.path)
	require.NoError(t, err)
	return f
}

func (f *tokenFile) put(entries ...auth.TokenEntry) {
	text, err := json.Marshal(entries)
	require.NoError(f.t, err)
	require.NoError(f.t, os.WriteFile(f.path, text, 0o600))
}

// reload rewrites the file and reloads it.
func (f *tokenFile) reload(entries ...auth.TokenEntry) {
	f.put(entries...)
	require.NoError(f.t, f.Reload())
}

var (
	admin  = entry("admin", []string{"*"}, []string{"*"}, true)
	reader = entry("reader", []string{"*"}, nil, false)
	tasks  = entry("tasks", []string{"tasks"}, []string{"tasks", "notes"}, false)
	none   = entry("none", nil, nil, false)
)

// with connects and says hello with a token.
func (s *served) with(e auth.TokenEntry) *peer {
	s.t.Helper()
	p := s.dial()
	p.hello(e.Name)
	return p
}

func (p *peer) requireForbidden(format string, args ...any) {
	p.t.Helper()
	a := p.requireCode("forbidden", format, args...)
	require.NotContains(p.t, a.Error, "backend: forbidden: ,")
}

// everyOp has a request for each op except hello, ping and close, which are for everybody.
var everyOp = map[string]string{
	"write_fact":     writeJSON("tasks", "x"),
	"write_batch":    `{"op":"write_batch","facts":[` + factJSON("tasks", "x") + `]}`,
	"replay":         `{"op":"replay"}`,
	"subscribe":      `{"op":"subscribe"}`,
	"write_snapshot": `{"op":"write_snapshot"}`,
	"prune":          `{"op":"prune","seqs":[[1,1]]}`,
	"stats":          `{"op":"stats"}`,
	"server_status":  `{"op":"server_status"}`,
	"unknown":        `{"op":"nope"}`,
}

// TestWithoutToken sends every op without a token, and with wrong ones, in both versions.
func TestWithoutToken(t *testing.T) {
	file := newTokenFile(t, admin)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens})
	s.write(fact("tasks", "a"))
	for _, token := range []string{"Admin", "admin ", "admi", admin.SHA256, "*", strings.Repeat("x", 15<<10)} {
		wrong := s.dial()
		wrong.requireCode("unauthenticated", `{"op":"hello","protocol":2,"token":%q}`, token)
		wrong.requireEnd()
	}
	v2 := s.dial()
	v2.hello("")
	for name, p := range map[string]*peer{"version 1": s.dial(), "version 2": v2} {
		for op, request := range everyOp {
			a := p.requireCode("unauthenticated", "%s", request)
			require.NotContains(t, a.Error, "tasks", "%s of %s", op, name)
		}
		p.requireCode("unauthenticated", `{"op":"ping"}`)
	}
	require.Len(t, s.facts(), 1)
	v2.hello("admin") // it is not too late
	v2.requireOK("%s", writeJSON("tasks", "b"))
	v2.ask(`{"op":"close"}`)
	v2.requireEnd()
}

// TestGrants checks that each op refuses requests that the token does not allow.
func TestGrants(t *testing.T) {
	file := newTokenFile(t, admin, reader, tasks, none)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens})
	s.write(fact("secret", "s1"), fact("tasks", "t1"), fact("notes", "n1"))

	for _, e := range []auth.TokenEntry{reader, tasks, none} {
		p := s.with(e)
		p.requireForbidden("%s", writeJSON("secret", "x"))
		p.requireForbidden(`{"op":"write_batch","facts":[%s]}`, factJSON("secret", "x"))
		p.requireForbidden(`{"op":"write_batch","facts":[%s,%s]}`, factJSON("tasks", "x"), factJSON("secret", "x"))
		p.requireForbidden(`{"op":"write_batch","facts":[],"expect":[{"store":"secret","key":"k-s1","id":""}]}`)
		p.requireForbidden(`{"op":"write_snapshot"}`)
		p.requireForbidden(`{"op":"prune","seqs":[[1,1]]}`)
		p.requireForbidden(`{"op":"server_status"}`)
		p.requireOK(`{"op":"stats"}`)
		if e.Name != "reader" {
			p.requireForbidden(`{"op":"replay","stores":["secret"]}`)
			p.requireForbidden(`{"op":"replay","stores":["tasks","secret"]}`)
			p.requireForbidden(`{"op":"subscribe","stores":["secret","tasks"]}`)
		}
		p.requireAlive()
	}
	require.Len(t, s.facts(), 3)

	s.with(tasks).requireOK("%s", writeJSON("tasks", "t2"))
	s.with(tasks).requireOK("%s", writeJSON("notes", "n2")) // may write the store, but not read it
	s.with(tasks).requireOK(`{"op":"write_batch","facts":[%s,%s],"expect":[{"store":"notes","key":"k-n1","id":"n1"}]}`, factJSON("tasks", "t3"), factJSON("notes", "n3"))
	// Sent together with allowed writes.
	p := s.with(tasks)
	p.send(writeJSON("tasks", "t4"), writeJSON("secret", "x"), writeJSON("notes", "n4"))
	require.True(t, answerOf(t, p.next()).OK)
	require.Equal(t, "forbidden", answerOf(t, p.next()).Code)
	require.True(t, answerOf(t, p.next()).OK)

	facts := s.facts()
	for e, want := range map[*auth.TokenEntry][]backend.Fact{&admin: facts, &reader: facts, &tasks: of(facts, 0, "tasks"), &none: nil} {
		got, end := s.with(*e).replay(after(0))
		require.True(t, end.End)
		require.Equal(t, facts[len(facts)-1].Seq, end.LastSeq)
		require.Equal(t, want, got, e.Name)
		sub := s.with(*e)
		sub.requireOK(`{"op":"subscribe"}`)
		for n := 0; n < len(want); {
			some, _ := sub.nextFacts()
			require.Equal(t, want[n:n+len(some)], some)
			n += len(some)
		}
	}
	require.Equal(t, of(facts, 0, "notes"), first(s.with(reader).replay(after(0, "notes"))))
	a := s.with(admin)
	a.requireOK(`{"op":"server_status"}`)
	a.requireOK(`{"op":"write_snapshot"}`)
	a.requireOK(`{"op":"prune","seqs":[[1,1]]}`)
}

// TestReadOnly: a read-only server refuses writes and prunes even of administrators, and reports that it is not writable.
func TestReadOnly(t *testing.T) {
	file := newTokenFile(t, admin)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens, ReadOnly: true})
	s.write(fact("tasks", "a")) // to the log itself
	p := s.with(admin)
	for _, op := range []string{"write_fact", "write_batch", "prune"} {
		p.requireForbidden("%s", everyOp[op])
	}
	p.requireOK(`{"op":"write_snapshot"}`)
	client := s.Authorize(auth.CredentialOf(admin.Name, nil))
	_, err := s.Write(t.Context(), &client, backend.Batch{Facts: []backend.Fact{fact("tasks", "b")}})
	require.ErrorIs(t, err, backend.ErrForbidden)
	require.Len(t, s.facts(), 1)
	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	require.True(t, s.ReadOnly())
	require.False(t, s.Writable(&stats))
}

func first[A, B any](a A, _ B) A { return a }

// TestFeaturesOfGrants: the hello reply has the features of the log, and the stores that the client may read.
func TestFeaturesOfGrants(t *testing.T) {
	file := newTokenFile(t, admin, tasks, none, entry("three", []string{"c", "a", "c", "b"}, nil, false))
	log := memory.New(memory.Options{})
	s := serve(t, "tcp", log, server.Options{Tokens: file.Tokens})
	want := log.Features()
	for token, stores := range map[string][]string{"admin": nil, "tasks": {"tasks"}, "none": {}, "three": {"a", "b", "c"}} {
		want.Stores = stores
		require.Equal(t, want, backend.Features(s.dial().hello(token).Features), token)
	}
	require.Equal(t, backend.Features{Stores: []string{}}, backend.Features(s.dial().hello("").Features), "an unknown client learns nothing")

	// The log itself may allow fewer stores.
	some := backend.Intercept(log, backend.Hooks{Features: func(f backend.Features) backend.Features {
		f.Stores = []string{"a", "tasks"}
		return f
	}})
	s = serve(t, "tcp", some, server.Options{Tokens: file.Tokens})
	for token, stores := range map[string][]string{"admin": {"a", "tasks"}, "tasks": {"tasks"}, "none": {}, "three": {"a"}} {
		require.Equal(t, stores, s.dial().hello(token).Features.Stores, token)
	}
}

// TestIDsOfOtherStores: an ID in a store that the client may not read is answered like an unknown ID, and a client that
// uses an ID first does not keep other stores from using it.
func TestIDsOfOtherStores(t *testing.T) {
	file := newTokenFile(t, admin, tasks)
	s := serve(t, "tcp", memory.New(memory.Options{}), server.Options{Tokens: file.Tokens})
	s.write(backend.Fact{ID: "known", Store: "secret", Key: "hidden", Value: []byte(`"classified"`)})
	batch := func(id string) string { return `{"op":"write_batch","facts":[` + factJSON("tasks", id) + `]}` }
	for _, request := range []func(id string) string{func(id string) string { return writeJSON("tasks", id) }, batch} {
		// A write, and the same write again.
		for range 2 {
			known, free := s.with(tasks).ask("%s", request("known")), s.with(tasks).ask("%s", request("other"))
			a, b := answerOf(t, known), answerOf(t, free)
			require.Equal(t, []any{true, b.Duplicate, b.Code}, []any{a.OK, a.Duplicate, a.Code}, "%s %s", known, free)
		}
	}
	s.with(tasks).requireOK("%s", writeJSON("tasks", "invoice"))
	p := s.with(admin)
	require.False(t, p.requireOK("%s", writeJSON("secret", "invoice")).Duplicate)
	require.True(t, p.requireOK("%s", writeJSON("secret", "invoice")).Duplicate)
	body := s.with(tasks).ask(`{"op":"write_fact","fact":{"id":"invoice","store":"tasks","key":"another","value":1}}`)
	require.Equal(t, "id_reused", answerOf(t, body).Code)
	require.NotContains(t, body, "secret")
}

// TestHorizonsAreGranted: clients get the horizons of the stores that they may read, and no others.
func TestHorizonsAreGranted(t *testing.T) {
	file := newTokenFile(t, admin, reader, tasks, none)
	log := memory.New(memory.Options{})
	s := serve(t, "tcp", log, server.Options{Tokens: file.Tokens})
	s.write(fact("secret", "s1"), fact("tasks", "t1"), fact("tasks", "t2"), fact("notes", "n1"))
	s.with(admin).requireOK(`{"op":"prune","seqs":[[1,2]],"horizon":{"seq":3,"time":7.5}}`)
	for _, e := range []auth.TokenEntry{admin, reader, tasks, none} {
		a := s.with(e).ask(`{"op":"stats"}`)
		require.Equal(t, e.Name == "admin" || e.Name == "reader", strings.Contains(a, `"secret":{"seq":3,"time":7.5}`), a)
		require.Equal(t, e.Name != "none", strings.Contains(a, `"tasks":{"seq":3,"time":7.5}`), a)
		require.NotContains(t, a, "notes")
		if e.Name != "none" {
			for _, op := range []string{"replay", "subscribe"} {
				_, told, err := protocol.ParseStream([]byte(s.with(e).ask(`{"op":%q}`, op)))
				require.NoError(t, err)
				stats, err := protocol.ParseStats([]byte(a))
				require.NoError(t, err)
				require.Equal(t, stats.Horizons, told, "%s: with the first page", op)
			}
		}
	}
	all := backend.Intercept(log, backend.Hooks{Stats: func(ctx context.Context, next func(context.Context) (backend.Stats, error)) (backend.Stats, error) {
		stats, err := next(ctx)
		stats.Horizons[backend.AllStores] = backend.Horizon{Seq: 4, Time: time.Unix(8, 0)}
		return stats, err
	}})
	s = serve(t, "tcp", all, server.Options{Tokens: file.Tokens})
	require.Contains(t, s.with(tasks).ask(`{"op":"stats"}`), `"":{"seq":4,"time":8.0}`)
}
