package clustertest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// build builds a program of this repository. One that does not link the backend gets the line that does, and nothing else.
func build(t testing.TB, dir string, links bool) string {
	t.Helper()
	dir, err := filepath.Abs(dir)
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(dir, "../../go.work")); err != nil {
		t.Skipf("the program is not here: %v", err)
	}
	out := t.TempDir()
	args := []string{"build", "-trimpath", "-o", filepath.Join(out, "program")}
	if !links {
		line, overlay := filepath.Join(out, "link.go"), filepath.Join(out, "overlay.json")
		require.NoError(t, os.WriteFile(line, []byte("package main\n\nimport _ \"github.com/igniter-store/igniter/backend/jetstream\"\n"), 0o600))
		text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, "link_jetstream.go"): line}})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(overlay, text, 0o600))
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	return filepath.Join(out, "program")
}

// TestPrograms runs the tour, and the bank in two processes, on a log in JetStream: only their flags say so. The command
// opens such logs, too.
func TestPrograms(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	defer stopServer(s)
	url := s.ClientURL()
	bank := build(t, "../../../examples/bank", false)
	var all sync.WaitGroup
	var texts [2][]byte
	var errs [2]error
	for i := range texts {
		all.Go(func() {
			texts[i], errs[i] = exec.CommandContext(t.Context(), bank, "-backend", "jetstream", "-address", url, "-tellers", "4", "-transfers", "10").CombinedOutput()
		})
	}
	all.Wait()
	for i := range texts {
		require.NoError(t, errs[i], "%s", texts[i])
		require.Contains(t, string(texts[i]), "all accounts have 8000 together now, and had after each transfer of the past")
	}
	text, err := exec.CommandContext(t.Context(), build(t, "../../../examples/tour", false), "-backend", "jetstream", "-address", url).CombinedOutput()
	require.NoError(t, err, "%s", text)

	program := build(t, "../../../cmd/igniter", true)
	igniter := func(in string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Stdin = strings.NewReader(in)
		text, err := cmd.Output()
		require.NoError(t, err, "%v: %s", args, text)
		return string(text)
	}
	for _, key := range []string{"a", "b", "c"} {
		igniter("", "put", "--address", url, "--log-name", "command", "todos", key, `{"key":"`+key+`"}`)
	}
	exported := igniter("", "export", "--address", url, "--log-name", "command")
	require.Equal(t, 3, strings.Count(exported, "\n"))
	igniter(exported, "import", "--backend", "jetstream", "--address", url, "--log-name", "copy")
	require.Equal(t, exported, igniter("", "export", "--address", url, "--log-name", "copy"))
}
