package postgres

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// build builds a program of this repository. One that does not link this backend gets the line that does, and nothing else.
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
		line, overlay := filepath.Join(out, "postgres.go"), filepath.Join(out, "overlay.json")
		require.NoError(t, os.WriteFile(line, []byte("package main\n\nimport _ \"github.com/igniter-store/igniter/backend/postgres\"\n"), 0o644))
		text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, "postgres.go"): line}})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(overlay, text, 0o644))
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	return filepath.Join(out, "program")
}

// The bank runs in two processes with 16 tellers each while the server is killed and started again: no money is lost or made.
func TestBank(t *testing.T) {
	s := start(t)
	bank := build(t, "../../examples/bank", false)
	var all sync.WaitGroup
	var texts [2][]byte
	var errs [2]error
	for i := range texts {
		cmd := exec.CommandContext(t.Context(), bank, "-backend", "postgres", "-address", s.address("postgres", "postgres"), "-transfers", "15")
		all.Go(func() { texts[i], errs[i] = cmd.CombinedOutput() })
	}
	l := open(t, Options{Address: s.address("postgres", "postgres")})
	defer l.Close()
	kills := rounds(2, 20)
	for n := range kills {
		// until a part of the transfers is made
		for awaited := uint64(60 * (n + 1)); ; {
			if statsOf(t, l).LastSeq >= min(awaited, 400) {
				break
			}
			require.NoError(t, wait(t.Context(), minWait))
		}
		s.stop(syscall.SIGKILL)
		require.NoError(t, s.start())
	}
	all.Wait()
	for i := range texts {
		require.NoError(t, errs[i], "%s", texts[i])
		require.Contains(t, string(texts[i]), "all accounts have 8000 together now, and had after each transfer of the past")
	}
	t.Logf("the server was killed %d times, the log has %d facts", kills, statsOf(t, l).LastSeq)
}

// The tour runs as it does on any other backend.
func TestTour(t *testing.T) {
	a := address(t)
	conn := connect(t, a)
	exec1(t, conn, `drop database if exists tour`)
	exec1(t, conn, `create database tour`)
	text, err := exec.CommandContext(t.Context(), build(t, "../../examples/tour", false), "-backend", "postgres", "-address", strings.Replace(a, "dbname=postgres", "dbname=tour", 1)).CombinedOutput()
	require.NoError(t, err, "%s", text)
}

// The command opens a log in PostgreSQL.
func TestCommand(t *testing.T) {
	a := "postgres:///postgres?user=postgres&host=" + one[string](t, connect(t, address(t)), `select current_setting('unix_socket_directories')`)
	program := build(t, "../../cmd/igniter", true)
	igniter := func(in string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Stdin = strings.NewReader(in)
		text, err := cmd.Output()
		require.NoError(t, err, "%v: %s", args, text)
		return string(text)
	}
	for _, key := range []string{"a", "b", "c"} {
		igniter("", "put", "--address", a, "--log-name", "command", "todos", key, `{"key":"`+key+`"}`)
	}
	exported := igniter("", "export", "--address", a, "--log-name", "command")
	require.Equal(t, 3, strings.Count(exported, "\n"))
	igniter(exported, "import", "--backend", "postgres", "--address", a, "--log-name", "command-copy")
	require.Equal(t, exported, igniter("", "export", "--address", a, "--log-name", "command-copy"))
	require.Contains(t, igniter("", "stats", "--address", a, "--log-name", "command-copy"), "PostgreSQL")
}
