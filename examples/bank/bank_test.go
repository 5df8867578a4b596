package main

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/igniter-store/igniter/backend/memory"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/server"
)

func TestMain(m *testing.M) {
	if as := os.Getenv(asEnv); as != "" {
		if err := beOther(as, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, as+":", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestBank(t *testing.T) {
	for _, args := range [][]string{nil, {"-backend", "file", "-path", t.TempDir(), "-transfers", "3"}} {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), args, &out))
		require.Contains(t, out.String(), "all accounts have 8000 together now")
		require.Contains(t, out.String(), "before the correction: 2.0 %")
		require.Contains(t, out.String(), "after the correction: 2.5 %")
	}
}

// Two banks on one server move the same money.
func TestBanksOnOneServer(t *testing.T) {
	l, err := server.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	log := memory.New(memory.Options{})
	s := server.New(log, server.Options{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			var out bytes.Buffer
			if err := run(t.Context(), []string{"-backend", "network", "-address", l.Addr().String(), "-tellers", "8", "-transfers", "5"}, &out); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.Close())
	require.NoError(t, <-served)
	left, err := companion.New(t.Context(), log, companion.Options{})
	require.NoError(t, err)
	b, err := newBank(left)
	require.NoError(t, err)
	transfers, err := b.audit(t.Context())
	require.NoError(t, err)
	require.Greater(t, transfers, 40)
	require.NoError(t, left.Close())
	require.NoError(t, log.Close())
}
