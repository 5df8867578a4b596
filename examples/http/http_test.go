// SPDX-License-Identifier: Apache-2.0

// Package http_test runs the apps of this folder, which use Igniter's HTTP in other languages.
package http_test

import (
	"net/http/httptest"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/server"
	"github.com/igniter-store/igniter/server/web"
	"github.com/igniter-store/igniter/store/reader"
)

// TestApps runs each app against a server, if its language is installed.
func TestApps(t *testing.T) {
	log := memory.New(memory.Options{})
	answers := reader.New(log, reader.Options{})
	s := server.New(log, server.Options{})
	h := web.New(web.Options{})
	h.Attach(s, log, answers)
	site := httptest.NewServer(h)
	defer func() {
		require.NoError(t, s.Close())
		site.Close()
		require.NoError(t, answers.Close())
		require.NoError(t, log.Close())
	}()
	for program, app := range map[string]string{"python3": "app.py", "node": "app.mjs"} {
		t.Run(app, func(t *testing.T) {
			path, err := exec.LookPath(program)
			if err != nil {
				t.Skipf("%s is not installed", program)
			}
			out, err := exec.CommandContext(t.Context(), path, app, site.URL).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Contains(t, string(out), "resumed at")
		})
	}
}
