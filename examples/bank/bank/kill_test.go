// SPDX-License-Identifier: Apache-2.0

package bank

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend/file"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/server"
)

// asEnv makes the test binary run as another process of a test: as "bank", with the command's arguments, or as
// "serve", with a directory and an address.
const asEnv = "IGNITER_BANK_TEST_AS"

// beOther runs such a process.
func beOther(as string, args []string) error {
	if as == "bank" {
		return run(context.Background(), args, os.Stdout)
	}
	log, err := file.Open(context.Background(), file.Options{Path: args[0]})
	if err != nil {
		return err
	}
	l, err := server.Listen("tcp", args[1])
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return server.New(log, server.Options{}).Serve(l)
}

func start(t *testing.T, as string, args ...string) (*exec.Cmd, *bufio.Scanner) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asEnv+"="+as)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

// Two processes of eight tellers each move money through one server, which is killed several times
// meanwhile: no cent is lost or made, and each transfer is made once.
func TestServerIsKilled(t *testing.T) {
	dir := t.TempDir()
	serve := func(address string) (*exec.Cmd, string) {
		cmd, out := start(t, "serve", dir, address)
		require.True(t, out.Scan(), "the server has not started")
		return cmd, out.Text()
	}
	kill := func(cmd *exec.Cmd) {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // the error says that it was killed
	}
	running, address := serve("127.0.0.1:0")
	defer func() { kill(running) }()
	watcher, err := companion.Open(t.Context(), companion.Options{Backend: "network", Address: address})
	require.NoError(t, err)
	defer func() { require.NoError(t, watcher.Close()) }()
	b, err := newBank(watcher)
	require.NoError(t, err)

	moving, ended := context.WithCancelCause(t.Context()) // done when a bank has ended
	defer ended(nil)
	type process struct {
		id   int
		done chan struct{} // closed when it has ended; then text and err are set
		text strings.Builder
		err  error
	}
	var banks [2]process
	for i := range banks {
		p := &banks[i]
		cmd, out := start(t, "bank", "-backend", "network", "-address", address, "-tellers", "8", "-transfers", "40")
		p.id, p.done = cmd.Process.Pid, make(chan struct{})
		defer func() {
			_ = cmd.Process.Kill() // if the test has failed
			<-p.done
		}()
		go func() {
			defer close(p.done)
			for out.Scan() {
				fmt.Fprintln(&p.text, out.Text())
			}
			p.err = cmd.Wait()
			ended(fmt.Errorf("bank %d has ended (%v): %s", p.id, p.err, p.text.String()))
		}()
	}
	var seq uint64
	bothMove := func(when string) {
		made := map[int]int{}
		for event, err := range b.transfers.Tail(moving, seq) {
			require.NoError(t, err, "%s: %v, transfers by process: %v", when, context.Cause(moving), made)
			var teller Teller
			require.NoError(t, json.Unmarshal(event.Producer, &teller))
			seq = event.Seq
			if made[teller.Process]++; made[banks[0].id] >= 5 && made[banks[1].id] >= 5 {
				return
			}
		}
	}
	for kills := range 3 {
		bothMove(fmt.Sprint("before kill ", kills+1))
		kill(running)
		seq = watcher.Head()
		running, _ = serve(address)
	}
	bothMove("after the last kill")

	total := 0
	for i := range banks {
		p := &banks[i]
		<-p.done
		require.NoError(t, p.err, "%s", &p.text)
		require.Contains(t, p.text.String(), "all accounts have 8000 together now")
		lines := strings.Split(p.text.String(), "\n")
		var made, refused int
		_, err := fmt.Sscanf(lines[1], "%d transfers made, %d refused", &made, &refused)
		require.NoError(t, err, lines[1])
		require.Equal(t, 8*40, made+refused)
		total += made
	}
	require.NoError(t, watcher.Sync(t.Context()))
	transfers, err := b.audit(t.Context())
	require.NoError(t, err)
	require.Equal(t, total, transfers, "each transfer is made once")
}
