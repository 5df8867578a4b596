// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/internal/pgserver"
	"github.com/igniter-store/igniter/internal/programs"
	"github.com/igniter-store/igniter/server"
)

// serve serves a log with an Igniter server until the test ends, and returns its address.
func serve(t testing.TB, l backend.Log) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ign") // a socket's path must be short
	require.NoError(t, err)
	path := filepath.Join(dir, "s")
	listener, err := server.Listen("unix", path)
	require.NoError(t, err)
	s, done := server.New(l, server.Options{}), make(chan error, 1)
	go func() { done <- s.Serve(listener) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, <-done)
		require.NoError(t, l.Close())
		_ = os.RemoveAll(dir)
	})
	return "unix://" + path
}

// places returns, by backend, the arguments of the command that name a new log. A backend whose server is not installed is
// left out.
func places(t testing.TB, jetstreamURL string) map[string]func(name string) []string {
	all := map[string]func(string) []string{
		"memory": func(string) []string { return []string{"--address", serve(t, memory.New(memory.Options{}))} },
		"file":   func(string) []string { return []string{"--path", filepath.Join(t.TempDir(), "log")} },
		"network": func(string) []string {
			l, err := file.Open(t.Context(), file.Options{Path: filepath.Join(t.TempDir(), "log")})
			require.NoError(t, err)
			return []string{"--address", serve(t, l)}
		},
		"jetstream": func(name string) []string {
			return []string{"--backend", "jetstream", "--address", jetstreamURL, "--log-name", name}
		},
	}
	if _, err := pgserver.Program("initdb"); err != nil {
		t.Logf("without PostgreSQL: %v", err)
		return all
	}
	s, err := pgserver.New()
	require.NoError(t, err)
	t.Cleanup(s.Remove)
	all["postgres"] = func(name string) []string {
		return []string{"--backend", "postgres", "--address", s.Address("postgres", "postgres"), "--log-name", name}
	}
	return all
}

// killImport starts an import, lets it read a text, and kills it while it waits for more.
func killImport(t testing.TB, command, text string, args []string) {
	t.Helper()
	cmd := exec.Command(command, args...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.WriteString(in, text)
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
}

// TestMoves moves a log between every two backends with igniter export and igniter import. Each import is interrupted: it
// first gets a part of the log, and then all of it. Then both logs are the same. With IGNITER_SOAK the log has 100,000
// facts, and the import is killed.
func TestMoves(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	defer stopServer(s)
	command := programs.Build(t, "../../../cmd/igniter")
	igniter := func(in string, args ...string) string { t.Helper(); return programs.Run(t, command, in, args...) }
	all := places(t, s.ClientURL())
	facts := 300
	if soak() {
		facts = 100_000
	}
	var lines []string
	for i := range facts {
		value := fmt.Sprintf(`{"n":%d,"text":"\u0000 é %s"}`, i, strings.Repeat("x", i%300))
		line, err := json.Marshal(map[string]any{"id": fmt.Sprint("fact \x00 ", i), "store": fmt.Sprint("s", i%3), "key": fmt.Sprint("k", i%40), "value": json.RawMessage(value)})
		require.NoError(t, err)
		lines = append(lines, string(line))
	}
	first := strings.Join(lines, "\n") + "\n"
	exported := map[string]string{}
	names := []string{}
	for name, place := range all {
		names = append(names, name)
		at := place("source")
		igniter(first, append([]string{"import"}, at...)...)
		exported[name] = igniter("", append([]string{"export"}, at...)...)
		require.Equal(t, facts, strings.Count(exported[name], "\n"))
	}
	slices.Sort(names)
	moves := 0
	for _, from := range names {
		for _, to := range names {
			at := all[to]("from-" + from)
			text := exported[from]
			into := append([]string{"import", "--json"}, at...)
			begun := time.Now()
			known := facts / 2
			if part := strings.Join(strings.SplitAfter(text, "\n")[:known], ""); !soak() {
				igniter(part, into...)
			} else {
				killImport(t, command, part, into)
			}
			var report struct{ New, Known int }
			require.NoError(t, json.Unmarshal([]byte(igniter(text, into...)), &report))
			if soak() {
				known = report.Known
				require.Positive(t, known)
				require.Less(t, known, facts)
			}
			require.Equal(t, facts-known, report.New, "from %s to %s", from, to)
			require.Equal(t, known, report.Known)
			require.True(t, text == igniter("", append([]string{"export"}, at...)...), "from %s to %s the log is not the same", from, to)
			moves++
			if soak() {
				t.Logf("%s to %s: the import was killed after %d facts; all is there after %s", from, to, known, time.Since(begun).Round(time.Millisecond))
			}
		}
	}
	t.Logf("%d moves of %d facts between %v", moves, facts, names)
}
