package main

import (
	"bufio"
	"context"
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

// asEnv makes the test binary be another process of a test: "bank", with the command's arguments, or
// "serve", with a directory and an address.
const asEnv = "IGNITER_BANK_TEST_AS"

// beOther is what such a process does.
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

// Two processes of eight tellers each move money through one server, which is killed again and again:
// no cent is lost or made.
func TestServerIsKilled(t *testing.T) {
	dir := t.TempDir()
	serve := func(address string) (*exec.Cmd, string) {
		cmd, out := start(t, "serve", dir, address)
		require.True(t, out.Scan(), "the server has not started")
		return cmd, out.Text()
	}
	kill := func(cmd *exec.Cmd) {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // says that it was killed
	}
	running, address := serve("127.0.0.1:0")
	defer func() { kill(running) }()
	watcher, err := companion.Open(t.Context(), companion.Options{Backend: "network", Address: address})
	require.NoError(t, err)
	defer func() { require.NoError(t, watcher.Close()) }()

	type process struct {
		cmd *exec.Cmd
		out *bufio.Scanner
	}
	var banks []process
	for range 2 {
		cmd, out := start(t, "bank", "-backend", "network", "-address", address, "-tellers", "8", "-transfers", "15")
		require.True(t, out.Scan(), "the bank has not opened")
		banks = append(banks, process{cmd, out})
	}
	for kills := range 3 {
		require.NoError(t, watcher.WaitFor(t.Context(), uint64(100+kills*150)))
		kill(running)
		running, _ = serve(address)
	}
	for _, b := range banks {
		var text strings.Builder
		for b.out.Scan() {
			fmt.Fprintln(&text, b.out.Text())
		}
		require.NoError(t, b.cmd.Wait(), text.String())
		require.Contains(t, text.String(), "all accounts have 8000 together now")
	}
	require.NoError(t, watcher.Sync(t.Context()))
	b, err := newBank(watcher)
	require.NoError(t, err)
	transfers, err := b.audit(t.Context())
	require.NoError(t, err)
	require.Greater(t, transfers, 150)
}
