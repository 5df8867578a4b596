// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/auth"
	"github.com/igniter-store/igniter/server/web"
)

// tokensIn returns the tokens in a file with entries, and a function that writes other entries to it.
func tokensIn(t *testing.T, entries ...auth.TokenEntry) (tokens *auth.Tokens, save func(entries ...auth.TokenEntry)) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	save = func(entries ...auth.TokenEntry) {
		text, err := json.Marshal(entries)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, text, 0o600))
	}
	save(entries...)
	tokens, err := auth.LoadTokens(path)
	require.NoError(t, err)
	return tokens, save
}

// TestExportAccess: a page of an export that was read before the client's access changed is not sent after the change.
func TestExportAccess(t *testing.T) {
	reader, entry := auth.NewToken("reader")
	other, otherEntry := auth.NewToken("other")
	entry.Read, otherEntry.Read = []string{"a", "b"}, []string{"*"}
	tokens, save := tokensIn(t, entry, otherEntry)
	change := func() {}
	log := backend.Intercept(memory.New(memory.Options{}), backend.Hooks{
		Read: func(ctx context.Context, r backend.Range, next func(context.Context, backend.Range) iter.Seq2[backend.Page, error]) iter.Seq2[backend.Page, error] {
			return func(yield func(backend.Page, error) bool) {
				for p, err := range next(ctx, r) {
					if change(); !yield(p, err) {
						return
					}
				}
			}
		},
	})
	x := newSite(t, log, web.Options{}, &server.Options{Tokens: tokens})
	x.write("b", "k", "1")
	as := "Bearer " + reader
	require.Contains(t, x.get(200, "/v1/facts", "Authorization", as), `"value":1`)
	narrow := entry
	narrow.Read = []string{"a"}
	for _, c := range []struct {
		status int
		code   string
		left   []auth.TokenEntry
	}{{503, "access_changed", []auth.TokenEntry{narrow, otherEntry}}, {401, "unauthenticated", []auth.TokenEntry{otherEntry}}} {
		save(entry, otherEntry)
		require.NoError(t, tokens.Reload())
		change = func() {
			save(c.left...)
			require.NoError(t, tokens.Reload())
		}
		require.Contains(t, x.get(c.status, "/v1/facts", "Authorization", as), c.code)
		require.Contains(t, x.get(200, "/v1/facts", "Authorization", "Bearer "+other), `"value":1`)
	}
}

// TestTokens: clients with a token may do what it grants, as long as it is valid.
func TestTokens(t *testing.T) {
	reader, entry := auth.NewToken("reader")
	entry.Read = []string{"a"}
	admin, adminEntry := auth.NewToken("admin")
	adminEntry.Read, adminEntry.Admin = []string{"*"}, true
	tokens, save := tokensIn(t, entry, adminEntry)
	x := newSite(t, memory.New(memory.Options{}), web.Options{Heartbeat: time.Millisecond}, &server.Options{Tokens: tokens})
	x.write("a", "k", "1")
	x.write("b", "k", "2")

	x.get(200, "/healthz")
	x.get(200, "/readyz")
	for _, path := range []string{"/v1/status", "/v1/facts", "/v1/events", "/v1/stores/a/k"} {
		answer := x.ask(t.Context(), path)
		require.Equal(t, http.StatusUnauthorized, answer.StatusCode, path)
		require.Contains(t, answer.Header.Get("WWW-Authenticate"), "Bearer")
		require.NoError(t, answer.Body.Close())
		x.get(401, path, "Authorization", "Bearer wrong")
		x.get(401, path, "Authorization", "Basic "+reader)
	}
	as := "Bearer " + reader
	require.Contains(t, x.get(403, "/v1/status", "Authorization", as), `"error_code":"forbidden"`)
	require.Contains(t, x.get(200, "/v1/status", "Authorization", "bearer "+admin), "ready")
	require.Equal(t, 1, strings.Count(x.get(200, "/v1/facts", "Authorization", as), "\n"))
	require.Equal(t, 2, strings.Count(x.get(200, "/v1/facts", "Authorization", "Bearer "+admin), "\n"))
	x.get(403, "/v1/facts?store=b", "Authorization", as)
	x.get(403, "/v1/events?store=a&store=b", "Authorization", as)
	x.get(200, "/v1/stores/a/k", "Authorization", as)
	x.get(403, "/v1/stores/b/k", "Authorization", as)

	x.get(401, "/inside")
	require.Contains(t, x.get(403, "/inside", "Authorization", as), "is about all stores")
	require.Equal(t, "inside", x.get(200, "/inside", "Authorization", "Bearer "+admin))

	x.write("b", "k", "3")
	x.write("a", "k", "4")
	both := entry
	both.Read = []string{"a", "b"}
	for code, next := range map[string][]auth.TokenEntry{"access_changed": {both, adminEntry}, "unauthenticated": {adminEntry}} {
		save(entry, adminEntry)
		require.NoError(t, tokens.Reload())
		idle, events := x.events("?store=a", "Authorization", "Bearer "+admin), x.events("?after=0", "Authorization", as)
		seq, _ := events.fact()
		require.EqualValues(t, 1, seq)
		seq, _ = events.fact()
		require.EqualValues(t, 4, seq)
		save(next...)
		require.NoError(t, tokens.Reload())
		written := x.write("a", code, "5")
		for {
			lines := events.next()
			require.NotNil(t, lines)
			require.NotContains(t, lines[len(lines)-1], fmt.Sprintf(`"seq":%d,`, written.Seq))
			if lines[0] == "event: igniter-error" {
				require.Contains(t, lines[1], fmt.Sprintf(`"error_code":%q`, code))
				break
			}
		}
		require.Nil(t, events.next())
		seq, _ = idle.fact()
		require.Equal(t, written.Seq, seq, "others go on")
		idle.end()
	}
	quiet := x.events("?store=a", "Authorization", "Bearer "+admin)
	save(entry)
	require.NoError(t, tokens.Reload())
	for {
		lines := quiet.next()
		if lines[0] == "event: igniter-error" {
			require.Contains(t, lines[1], `"error_code":"unauthenticated"`, "also if nothing comes")
			break
		}
	}
	require.Nil(t, quiet.next())
}

// TestNoEventAfterReload: a fact that is written after the client's access has changed is not sent, however rare heartbeats
// are.
func TestNoEventAfterReload(t *testing.T) {
	token, entry := auth.NewToken("reader")
	entry.Read = []string{"*"}
	tokens, save := tokensIn(t, entry)
	x := newSite(t, memory.New(memory.Options{}), web.Options{Heartbeat: time.Hour}, &server.Options{Tokens: tokens})
	events := x.events("", "Authorization", "Bearer "+token)
	entry.Read = []string{"b"}
	save(entry)
	require.NoError(t, tokens.Reload())
	x.write("a", "k", "1")
	lines := events.next()
	require.Equal(t, "event: igniter-error", lines[0])
	require.Contains(t, lines[1], `"error_code":"access_changed"`)
	require.Nil(t, events.next())
}
