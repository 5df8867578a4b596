// SPDX-License-Identifier: Apache-2.0

package clustertest

import (
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/programs"
)

// TestPrograms runs the tour, and the bank in two processes, on a log in JetStream: only their configuration says so. The command
// opens such logs, too.
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
}
