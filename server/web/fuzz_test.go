// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	"github.com/igniter-store/igniter/store/reader"
)

// FuzzURL requests any path and query with any Last-Event-ID, as a client that may read one store. It must get an answer,
// never a panic and never a fact of another store; an error has at most some kilobytes.
func FuzzURL(f *testing.F) {
	for _, seed := range [][2]string{
		{"/v1/facts?after=0&store=tasks&limit=2", ""}, {"/v1/facts?after=2@0197c0de-8c1a-7055-9dd2-000000000000", ""}, {"/v1/facts?store=secret", ""},
		{"/v1/facts?store=tasks&store=tasks&store=", ""}, {"/v1/facts?after=18446744073709551615", "1"}, {"/v1/facts?limit=-1&limit=2", ""}, {"/v1/facts?%zz", ""},
		{"/v1/stores/tasks/k?as_of=1e9", ""}, {"/v1/stores/tasks/a%2Fb/../c?at_seq=0", ""}, {"/v1/stores//k", ""}, {"/v1/stores/secret/k?valid_at=2026-11-24", ""},
		{"/v1/stores/tasks/%00%ff", ""}, {"/v1/stores/ta%73ks/k", ""}, {"/v1/status", ""}, {"/healthz?x", ""}, {"//v1/facts", ""}, {"/v1/facts/", ""}, {"/v1/facts;store=secret", ""},
		{"/v1/stores/tasks?where=a.b%3E1&facet=x&order=-changed&cursor=1:k", ""}, {"/v1/history/secret/k?ticks=1", ""}, {"/v1/lineage/secret?effects=1&depth=all", ""}, {"/v1/facts/secret", ""},
		{"/v1/diff/tasks?from=1&to=now&to_valid=-7d&key=k", ""}, {"/v1/histogram?axis=both&from=1970-01-01&to=9999-12-31&by=store&buckets=1000", ""}, {"/v1/moment?at=0001-01-02&store=secret", ""},
		{"/v1/facts?reverse=1&changes=1&before=2&producer=%7B&since=36500d", ""}, {"/v1/stores?days=366", ""}, {"/v1/whoami?", ""},
		{"/v1/stores/tasks?cursor=18446744073709551615,,,1,0", ""}, {"/v1/stores/tasks?cursor=1@0197c0de-8c1a-7055-9dd2-000000000000,1e99,-1,2147483648,x&order=value.", ""},
		{"/v1/facts?store=" + strings.Repeat("x", 300), ""}, {"/v1/facts?" + strings.Repeat("store=a&", 5000), ""}, {"/v1/stores/tasks/k?as_of=99999999999999999999999", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	log := memory.New(memory.Options{})
	for _, store := range []string{"tasks", "secret"} {
		if _, err := log.WriteFact(f.Context(), backend.Fact{ID: store, Store: store, Key: "k", Value: []byte(`"value of ` + store + `"`)}); err != nil {
			f.Fatal(err)
		}
	}
	token, entry := auth.NewToken("t")
	entry.Read = []string{"tasks"}
	text, err := json.Marshal([]auth.TokenEntry{entry})
	require.NoError(f, err)
	path := filepath.Join(f.TempDir(), "tokens")
	require.NoError(f, os.WriteFile(path, text, 0o600))
	tokens, err := auth.LoadTokens(path)
	require.NoError(f, err)
	s := server.New(log, server.Options{Tokens: tokens})
	h := web.New(web.Options{})
	answers := reader.New(log, reader.Options{})
	f.Cleanup(func() { require.NoError(f, answers.Close()) })
	h.Attach(s, log, answers)
	f.Fuzz(func(t *testing.T, target, from string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Path == "/v1/events" {
			return // the answer does not end
		}
		r := &http.Request{Method: http.MethodGet, URL: u, Host: "localhost", Header: http.Header{"Authorization": {"Bearer " + token}, "Last-Event-Id": {from}}}
		w := httptest.NewRecorder()
		h.ServeHTTP(patient{w}, r.WithContext(t.Context()))
		body := w.Body.String()
		require.NotContains(t, body, "value of secret")
		require.NotEqual(t, http.StatusInternalServerError, w.Code, "%s: %s", target, body)
		if w.Code != http.StatusOK {
			require.Less(t, len(body), 64<<10)
		}
	})
}

// A patient recorder has no deadlines.
type patient struct{ *httptest.ResponseRecorder }

func (patient) SetWriteDeadline(time.Time) error { return nil }
