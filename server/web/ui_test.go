// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/web"
)

// TestInspectorFiles: the inspector's files are served to everybody, also before the log is open, and browsers ask for them again
// only if they have changed.
func TestInspectorFiles(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{}, nil)
	files, err := os.ReadDir("ui")
	require.NoError(t, err)
	size := 0
	for _, f := range append([]string{""}, names(files)...) {
		answer := x.ask(t.Context(), "/ui/"+f)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode, f)
		require.Equal(t, "no-cache", answer.Header.Get("Cache-Control"))
		require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
		policy := answer.Header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"} {
			require.Contains(t, policy, rule)
		}
		require.NotContains(t, policy, "unsafe")
		require.NotEmpty(t, answer.Header.Get("Content-Type"))
		again := x.ask(t.Context(), "/ui/"+f, "If-None-Match", answer.Header.Get("ETag"))
		require.NoError(t, again.Body.Close())
		require.Equal(t, http.StatusNotModified, again.StatusCode)
		if f != "" {
			size += int(answer.ContentLength)
		}
	}
	require.Less(t, size, 150<<10, "it stays small")
	x.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	moved := x.ask(t.Context(), "/ui")
	require.NoError(t, moved.Body.Close())
	require.Equal(t, "ui/", moved.Header.Get("Location"), "also where the handler is mounted below a path")
	x.get(http.StatusNotFound, "/ui/other.js")
	x.get(http.StatusNotFound, "/ui/../ui/main.js")
}

// TestNoInspector: the inspector can be switched off.
func TestNoInspector(t *testing.T) {
	x := newSite(t, memory.New(memory.Options{}), web.Options{NoUI: true}, &server.Options{})
	x.get(http.StatusNotFound, "/ui/")
	x.get(http.StatusNotFound, "/ui")
}

// TestInspectorIsText: no file of the inspector can turn text into markup, and its page has no inline style or script.
func TestInspectorIsText(t *testing.T) {
	files, err := os.ReadDir("ui")
	require.NoError(t, err)
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|style=|javascript:|\bon[a-z]+="`)
	for _, name := range names(files) {
		text, err := os.ReadFile("ui/" + name)
		require.NoError(t, err)
		require.Empty(t, markup.FindString(string(text)), name)
		require.NotContains(t, strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", ""), "http://", "%s asks for nothing elsewhere", name)
	}
}

func names(files []os.DirEntry) (all []string) {
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}
