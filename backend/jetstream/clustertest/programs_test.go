// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/programs"
)

// TestPrograms runs the tour, and the bank in two processes, on a log in JetStream, with only a change of their
// configuration. The command opens such logs, too.
func TestPrograms(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), nil)
	defer stopServer(s)
	url := s.ClientURL()
	example := programs.Build(t, "../example")
	config := programs.Config(t, "jetstream", url, "bank")
	var all sync.WaitGroup
	var texts [2][]byte
	var errs [2]error
	for i := range texts {
		all.Go(func() {
			texts[i], errs[i] = exec.CommandContext(t.Context(), example, "bank", "-config", config, "-tellers", "4", "-transfers", "10").CombinedOutput()
		})
	}
	all.Wait()
	for i := range texts {
		require.NoError(t, errs[i], "%s", texts[i])
		require.Contains(t, string(texts[i]), "all accounts have 8000 together now, and had after each transfer of the past")
	}
	text, err := exec.CommandContext(t.Context(), example, "tour", "-config", programs.Config(t, "jetstream", url, "tour")).CombinedOutput()
	require.NoError(t, err, "%s", text)

	command := programs.Build(t, "../../../cmd/igniter")
	igniter := func(in string, args ...string) string { return programs.Run(t, command, in, args...) }
	for _, key := range []string{"a", "b", "c"} {
		igniter("", "put", "--address", url, "--log-name", "command", "todos", key, `{"key":"`+key+`"}`)
	}
	exported := igniter("", "export", "--address", url, "--log-name", "command")
	require.Equal(t, 3, strings.Count(exported, "\n"))
	igniter(exported, "import", "--backend", "jetstream", "--address", url, "--log-name", "copy")
	require.Equal(t, exported, igniter("", "export", "--address", url, "--log-name", "copy"))
	require.Contains(t, igniter("", "verify", "--address", url, "--log-name", "copy"), "3 facts through seq 3")
	require.Contains(t, igniter("", "verify", "--address", url, "--log-name", "copy"), "sound")

	// Two servers serve one log.
	servers := make([]string, 2)
	dir, err := os.MkdirTemp("", "ign") // a socket's path is short
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	for i := range servers {
		path := filepath.Join(dir, fmt.Sprint(i))
		servers[i] = "unix://" + path
		cmd := exec.Command(command, "serve", "--address", url, "--log-name", "command", "--listen", servers[i])
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
		require.Eventually(t, func() bool { _, err := os.Stat(path); return err == nil }, waitFor, 5*time.Millisecond)
	}
	igniter("", "put", "--address", servers[0], "todos", "d", "1")
	igniter("", "put", "--address", servers[1], "todos", "e", "2")
	require.Equal(t, 5, strings.Count(igniter("", "export", "--address", servers[0]), "\n"))
	require.Equal(t, igniter("", "export", "--address", servers[1]), igniter("", "export", "--address", url, "--log-name", "command"))
	require.Contains(t, igniter("", "follow", "--address", servers[1], "--after", "4", "--limit", "1"), "todos/e")
}
