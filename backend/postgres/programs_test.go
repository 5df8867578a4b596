// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/internal/programs"
)

// The bank, with only a change of its configuration, runs in two processes with 16 tellers each while the server is killed
// and restarted: no money is lost or made.
func TestBank(t *testing.T) {
	t.Parallel()
	s := start(t)
	example := programs.Build(t, "./example")
	config := programs.Config(t, "postgres", s.Address("postgres", "postgres"), "bank")
	var all sync.WaitGroup
	var texts [2][]byte
	var errs [2]error
	for i := range texts {
		cmd := exec.CommandContext(t.Context(), example, "bank", "-config", config, "-transfers", fmt.Sprint(rounds(8, 40)))
		all.Go(func() { texts[i], errs[i] = cmd.CombinedOutput() })
	}
	l := open(t, Options{Address: s.Address("postgres", "postgres"), Log: "bank"})
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
		s.Stop(syscall.SIGKILL)
		require.NoError(t, s.Start())
	}
	all.Wait()
	for i := range texts {
		require.NoError(t, errs[i], "%s", texts[i])
		require.Contains(t, string(texts[i]), "all accounts have 8000 together now, and had after each transfer of the past")
	}
	t.Logf("the server was killed %d times, the log has %d facts", kills, statsOf(t, l).LastSeq)
}

// The tour runs as on any other backend: only its configuration names the log.
func TestTour(t *testing.T) {
	config := programs.Config(t, "postgres", address(t), "tour")
	text, err := exec.CommandContext(t.Context(), programs.Build(t, "./example"), "tour", "-config", config).CombinedOutput()
	require.NoError(t, err, "%s", text)
}

// The command opens a log in PostgreSQL.
func TestCommand(t *testing.T) {
	a := "postgres:///postgres?user=postgres&host=" + one[string](t, connect(t, address(t)), `select current_setting('unix_socket_directories')`)
	command := programs.Build(t, "../../cmd/igniter")
	igniter := func(in string, args ...string) string { return programs.Run(t, command, in, args...) }
	for _, key := range []string{"a", "b", "c"} {
		igniter("", "put", "--address", a, "--log-name", "command", "todos", key, `{"key":"`+key+`"}`)
	}
	exported := igniter("", "export", "--address", a, "--log-name", "command")
	require.Equal(t, 3, strings.Count(exported, "\n"))
	igniter(exported, "import", "--backend", "postgres", "--address", a, "--log-name", "command-copy")
	require.Equal(t, exported, igniter("", "export", "--address", a, "--log-name", "command-copy"))
	require.Contains(t, igniter("", "stats", "--address", a, "--log-name", "command-copy"), "PostgreSQL")
}
